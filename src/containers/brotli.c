/* SPDX-License-Identifier: MIT */
/* Brotli: a stream without a signature, so only what is called `.br`. */
#include <brotli/decode.h>
#include <string.h>

#include "containers/reader.h"

enum { PIECE = 64 << 10 };

/* Unpack into @p member. 1: a limit was hit; *@p state tells how the stream ended otherwise. */
static int unpack(sb_unpacking *member, const sb_level *level, BrotliDecoderState *decoder,
	BrotliDecoderResult *state, size_t *left)
{
	const uint8_t *in = level->data;
	uint8_t piece[PIECE];
	int result = 0;

	*left = level->size;
	do {
		size_t room = sizeof piece;
		uint8_t *out = piece;

		*state = BrotliDecoderDecompressStream(decoder, left, &in, &room, &out, NULL);
		result = sb_walk_append(member, piece, sizeof piece - room);
	} while (result == 0 && *state == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT);
	return result;
}

static int finish(sb_walk *walk, const sb_level *level, sb_unpacking *member,
	BrotliDecoderResult state, size_t left)
{
	int result;

	if (state == BROTLI_DECODER_RESULT_ERROR && left + 64 > level->size) {
		/* Broken from its first bytes on: something else with that name. */
		sb_walk_undo(member);
		sb_walk_doubt(walk, level, "not brotli, in spite of its name");
		return 0;
	}
	result = sb_walk_close(member);
	if (state == BROTLI_DECODER_RESULT_SUCCESS)
		sb_walk_claim(level, 0, level->size - left);
	else
		sb_walk_problem(walk, level, NULL, SB_KIND_CORRUPT, "brotli stream is %s",
			state == BROTLI_DECODER_RESULT_ERROR ? "damaged" : "cut off");
	return result;
}

static int take_apart(sb_walk *walk, const sb_level *level, sb_likeness likeness)
{
	BrotliDecoderState *decoder = BrotliDecoderCreateInstance(NULL, NULL, NULL);
	BrotliDecoderResult state = BROTLI_DECODER_RESULT_ERROR;
	size_t length = strlen(level->name), left = 0;
	sb_unpacking *member = NULL;
	int result;

	(void)likeness;
	if (decoder == NULL) {
		sb_walk_problem(walk, level, NULL, SB_KIND_LIMIT_EXCEEDED, "no memory for brotli");
		return 0;
	}
	result = sb_walk_open(walk, level, level->name, length > 3 ? length - 3 : 0, 0, &member);
	if (result == 0) {
		result = unpack(member, level, decoder, &state, &left);
		if (result != 0)
			sb_walk_drop(member);
		else
			result = finish(walk, level, member, state, left);
	}
	BrotliDecoderDestroyInstance(decoder);
	return result < 0 ? result : 0;
}

static sb_likeness recognise(const uint8_t *data, size_t size, const char **type)
{
	(void)data;
	(void)type;
	return size > 0 ? SB_PERHAPS : SB_NOT_THIS;
}

const sb_reader_ops sb_reader_brotli = {"brotli", recognise, take_apart, ".br"};
