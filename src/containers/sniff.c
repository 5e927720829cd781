/* SPDX-License-Identifier: MIT */
/*
 * Signatures: one table of formats. The search looks at every byte once: for each position,
 * six table look-ups by nibble tell whether three bytes in a row may belong to a signature
 * (sixteen or more positions at a time where the processor can, 64 with util/sieve.h), and only
 * then are signature and header compared.
 */
#include "containers/sniff.h"

#include <pthread.h>
#include <string.h>
#include <zlib.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

/* --- Behind the signature: is it plausible? @p data begins where the format does ------------- */

enum { SKIPPABLE_MAX = 64 }; /* frames in front of the first that is not */

static sb_likeness surely(bool holds)
{
	return holds ? SB_SURELY : SB_NOT_THIS;
}

static sb_likeness perhaps(bool holds)
{
	return holds ? SB_PERHAPS : SB_NOT_THIS;
}

static bool any(const uint8_t *data, size_t size, uint8_t value)
{
	return memchr(data, value, size) != NULL;
}

/* A local header: a version, method and name as somebody would write them. */
static sb_likeness check_zip(const uint8_t *data, size_t size)
{
	uint32_t method, name;

	if (size < 31)
		return SB_NOT_THIS;
	method = sb_le16(data + 8);
	name = sb_le16(data + 26);
	return perhaps(data[4] <= 100 && (method <= 20 || (method >= 93 && method <= 99)) &&
		       name > 0 && name <= 4096 && name <= size - 30 &&
		       !any(data + 30, name, '\0'));
}

static sb_likeness check_7z(const uint8_t *data, size_t size)
{
	return surely(size >= 32 && crc32(0, data + 12, 20) == sb_le32(data + 8));
}

/* The first block's checksum: 16 bits of CRC32 in version 4, all of it in version 5. */
static sb_likeness check_rar(const uint8_t *data, size_t size)
{
	uint32_t length;

	if (size >= 20 && data[6] == 0) {
		length = sb_le16(data + 12);
		return surely(length >= 7 && length <= size - 7 &&
			      (crc32(0, data + 9, length - 2) & 0xffff) == sb_le16(data + 7));
	}
	if (size < 20 || data[6] != 1 || data[7] != 0)
		return SB_NOT_THIS;
	/* Header size, one byte here: neither kind of first header comes near 128. */
	length = data[12] + 1u;
	return surely(data[12] < 128 && length <= size - 12 &&
		      crc32(0, data + 12, length) == sb_le32(data + 8));
}

static sb_likeness check_gzip(const uint8_t *data, size_t size)
{
	return perhaps(size >= 18 && (data[3] & 0xe0) == 0 &&
		       (data[8] == 0 || data[8] == 2 || data[8] == 4) &&
		       (data[9] <= 13 || data[9] == 255) && (data[10] & 6) != 6);
}

static sb_likeness check_xz(const uint8_t *data, size_t size)
{
	return surely(size >= 32 && crc32(0, data + 6, 2) == sb_le32(data + 8));
}

static sb_likeness check_bzip2(const uint8_t *data, size_t size)
{
	return perhaps(size >= 18 && data[3] >= '1' && data[3] <= '9' &&
		       memcmp(data + 4, "1AY&SY", 6) == 0);
}

/* As much of it as there is; an empty stream has the end's mark instead. */
static sb_likeness check_bzip2_begin(const uint8_t *data, size_t size)
{
	size_t length = size < 10 ? (size < 4 ? 0 : size - 4) : 6;

	return surely(size >= 5 && data[3] >= '1' && data[3] <= '9' &&
		      (memcmp(data + 4, "1AY&SY", length) == 0 ||
			      memcmp(data + 4, "\x17\x72\x45\x38\x50\x90", length) == 0));
}

static sb_likeness check_cab(const uint8_t *data, size_t size)
{
	return perhaps(size >= 36 && sb_le32(data + 4) == 0 && sb_le32(data + 8) >= 36 &&
		       data[25] == 1 && sb_le32(data + 16) >= 36 &&
		       sb_le32(data + 16) < sb_le32(data + 8));
}

static sb_likeness check_zstd(const uint8_t *data, size_t size)
{
	return perhaps(size >= 9 && (data[4] & 8) == 0);
}

static size_t behind_skippable(const uint8_t *data, size_t size)
{
	size_t at = 0, length;

	for (unsigned i = 0; i < SKIPPABLE_MAX && size - at >= 12; i++) {
		if ((sb_le32(data + at) & 0xfffffff0u) != 0x184d2a50u)
			break;
		length = (size_t)sb_le32(data + at + 4) + 8;
		if (length > size - at - 4)
			break;
		at += length;
	}
	return at;
}

/* Frames that are to be skipped, then one that is not. */
static sb_likeness check_skippable_zstd(const uint8_t *data, size_t size)
{
	size_t at = size >= 12 ? behind_skippable(data, size) : 0;

	return surely(at > 0 && sb_le32(data + at) == 0xfd2fb528u);
}

static sb_likeness check_skippable_lz4(const uint8_t *data, size_t size)
{
	size_t at = size >= 12 ? behind_skippable(data, size) : 0;

	return surely(at > 0 && sb_le32(data + at) == 0x184d2204u);
}

static sb_likeness check_lz4(const uint8_t *data, size_t size)
{
	return perhaps(size >= 11 && data[4] >> 6 == 1 && (data[4] & 2) == 0 &&
		       (data[5] & 0x8f) == 0 && data[5] >> 4 >= 4);
}

static sb_likeness check_lzip(const uint8_t *data, size_t size)
{
	return perhaps(
		size >= 36 && data[4] == 1 && (data[5] & 0x1f) >= 12 && (data[5] & 0x1f) <= 29);
}

static sb_likeness check_xar(const uint8_t *data, size_t size)
{
	return perhaps(size >= 28 && data[4] == 0 && data[5] >= 28 && data[6] == 0 && data[7] == 1);
}

static sb_likeness check_rpm(const uint8_t *data, size_t size)
{
	return perhaps(
		size >= 96 && (data[4] == 3 || data[4] == 4) && data[6] == 0 && data[7] <= 1);
}

static sb_likeness check_ar(const uint8_t *data, size_t size)
{
	return perhaps(size >= 68 && data[66] == '`' && data[67] == '\n');
}

static bool digits(const uint8_t *data, size_t count, const char *allowed)
{
	for (size_t i = 0; i < count; i++)
		if (data[i] == '\0' || strchr(allowed, data[i]) == NULL)
			return false;
	return true;
}

static sb_likeness check_cpio(const uint8_t *data, size_t size)
{
	if (size >= 110 && (data[5] == '1' || data[5] == '2'))
		return perhaps(digits(data + 6, 104, "0123456789abcdefABCDEF"));
	return perhaps(size >= 76 && data[5] == '7' && digits(data + 6, 70, "01234567"));
}

/* An octal number that is the sum of the header's bytes, itself counted as blanks. */
static sb_likeness check_tar(const uint8_t *data, size_t size)
{
	unsigned sum = 256, told = 0;
	int with_sign = 256;
	size_t i = 148;

	if (size < 512)
		return SB_NOT_THIS;
	while (i < 156 && data[i] == ' ')
		i++;
	if (i == 156 || data[i] < '0' || data[i] > '7')
		return SB_NOT_THIS;
	for (; i < 156 && data[i] >= '0' && data[i] <= '7'; i++)
		told = told * 8 + data[i] - '0';
	for (i = 0; i < 512; i++) {
		if (i >= 148 && i < 156)
			continue;
		sum += data[i];
		with_sign += (int8_t)data[i];
	}
	if (told != sum && (int)told != with_sign)
		return SB_NOT_THIS;
	return memcmp(data + 257, "ustar", 5) == 0 ? SB_SURELY : SB_PERHAPS;
}

static sb_likeness check_iso(const uint8_t *data, size_t size)
{
	return perhaps(size >= 0x8800 && data[0x8000] == 1 && data[0x8006] == 1);
}

/* A header of level 0 or 1 has a sum of its bytes, one of level 2 its size. */
static sb_likeness check_lha(const uint8_t *data, size_t size)
{
	unsigned sum = 0;

	if (size < 24 || data[6] != '-' || (data[4] != 'h' && data[4] != 'z') || data[20] > 3)
		return SB_NOT_THIS;
	if (data[20] >= 2)
		return perhaps(data[20] == 3 || (sb_le16(data) >= 24 && sb_le16(data) <= size));
	if (data[0] < 20 || data[0] + 2u > size)
		return SB_NOT_THIS;
	for (size_t i = 0; i < data[0]; i++)
		sum += data[2 + i];
	return perhaps((sum & 0xff) == data[1]);
}

static sb_likeness check_warc(const uint8_t *data, size_t size)
{
	return perhaps(size >= 32 && (data[5] == '0' || data[5] == '1') && data[6] == '.');
}

/* Seven bits of a header that nobody would write otherwise. */
static sb_likeness check_compress(const uint8_t *data, size_t size)
{
	return perhaps(size >= 4 && (data[2] & 0x60) == 0 && (data[2] & 0x1f) >= 9 &&
		       (data[2] & 0x1f) <= 16);
}

/* The dictionary a power of two or half as much again; the size unknown or below 256 GiB. */
static sb_likeness check_lzma(const uint8_t *data, size_t size)
{
	uint32_t dictionary;

	if (size < 18 || data[0] >= 225 || data[13] != 0)
		return SB_NOT_THIS;
	dictionary = sb_le32(data + 1);
	if (dictionary < 4096 ||
		((dictionary & (dictionary - 1)) != 0 &&
			(dictionary % 3 != 0 || (dictionary / 3 & (dictionary / 3 - 1)) != 0)))
		return SB_NOT_THIS;
	return perhaps(sb_le64(data + 5) == UINT64_MAX || sb_le64(data + 5) >> 38 == 0);
}

static sb_likeness check_cpio_binary(const uint8_t *data, size_t size)
{
	bool swapped = data[0] == 0x71;
	uint32_t name;

	if (size < 28)
		return SB_NOT_THIS;
	name = swapped ? (uint32_t)data[20] << 8 | data[21] : sb_le16(data + 20);
	return perhaps(name > 1 && name <= 1024 && 26 + name <= size &&
		       data[26 + name - 1] == '\0' && !any(data + 26, name - 1, '\0'));
}

/* --- The formats ------------------------------------------------------------------------- */

typedef struct format {
	const char *type;
	const sb_reader_ops *reader;
	const char *magic;
	uint8_t length;
	uint8_t key; /* where in the signature the three rarest bytes stand */
	bool sure;   /* where the content begins with it, it is one */
	bool inside; /* searched for inside other bytes */
	uint16_t at; /* of the signature, from where the format begins */
	sb_likeness (*check)(const uint8_t *data, size_t size);
} format;

#define MAGIC(text) text, sizeof(text) - 1

static const format formats[] = {
	{"zip", &sb_reader_zip, MAGIC("PK\x03\x04"), 1, true, true, 0, check_zip},
	{"7z", &sb_reader_archive, MAGIC("7z\xbc\xaf\x27\x1c"), 1, true, true, 0, check_7z},
	{"rar", &sb_reader_archive, MAGIC("Rar!\x1a\x07"), 3, true, true, 0, check_rar},
	{"gzip", &sb_reader_packed, MAGIC("\x1f\x8b\x08"), 0, true, true, 0, check_gzip},
	{"xz", &sb_reader_packed, MAGIC("\xfd\x37zXZ\0"), 0, true, true, 0, check_xz},
	{"bzip2", &sb_reader_packed, MAGIC("BZh"), 0, false, false, 0, check_bzip2_begin},
	{"bzip2", &sb_reader_packed, MAGIC("1AY&SY"), 2, false, true, 4, check_bzip2},
	{"zstd", &sb_reader_packed, MAGIC("\x28\xb5\x2f\xfd"), 1, true, true, 0, check_zstd},
	{"lz4", &sb_reader_packed, MAGIC("\x04\x22\x4d\x18"), 1, true, true, 0, check_lz4},
	{"lz4", &sb_reader_packed, MAGIC("\x02\x21\x4c\x18"), 0, false, false, 0, NULL},
	{"zstd", &sb_reader_packed, MAGIC("\x2a\x4d\x18"), 0, false, false, 1,
		check_skippable_zstd},
	{"lz4", &sb_reader_packed, MAGIC("\x2a\x4d\x18"), 0, false, false, 1, check_skippable_lz4},
	{"lzip", &sb_reader_packed, MAGIC("LZIP\x01"), 2, true, true, 0, check_lzip},
	{"compress", &sb_reader_packed, MAGIC("\x1f\x9d"), 0, false, false, 0, check_compress},
	{"lzma", &sb_reader_packed, MAGIC("\x5d\0\0"), 0, false, false, 0, check_lzma},
	{"rpm", &sb_reader_packed, MAGIC("\xed\xab\xee\xdb"), 1, true, true, 0, check_rpm},
	{"cab", &sb_reader_archive, MAGIC("MSCF"), 1, true, true, 0, check_cab},
	{"xar", &sb_reader_archive, MAGIC("xar!"), 1, true, true, 0, check_xar},
	{"ar", &sb_reader_archive, MAGIC("!<arch>\n"), 0, true, true, 0, check_ar},
	{"cpio", &sb_reader_archive, MAGIC("07070"), 2, true, true, 0, check_cpio},
	{"cpio", &sb_reader_archive, MAGIC("\xc7\x71"), 0, false, false, 0, check_cpio_binary},
	{"cpio", &sb_reader_archive, MAGIC("\x71\xc7"), 0, false, false, 0, check_cpio_binary},
	{"lha", &sb_reader_archive, MAGIC("-l"), 0, false, false, 2, check_lha},
	{"lha", &sb_reader_archive, MAGIC("-lh"), 0, false, true, 2, check_lha},
	{"warc", &sb_reader_archive, MAGIC("WARC/"), 0, false, true, 0, check_warc},
	{"tar", &sb_reader_tar, MAGIC("ustar"), 0, false, true, 257, check_tar},
	{"tar", &sb_reader_tar, MAGIC(""), 0, false, false, 0, check_tar},
	{"iso", &sb_reader_iso, MAGIC("CD001"), 0, true, true, 0x8001, check_iso},
};

enum { FORMATS = sizeof formats / sizeof *formats };

static sb_likeness matches(const format *f, const uint8_t *data, size_t size, bool begin)
{
	sb_likeness likeness = SB_SURELY;

	if (size < (size_t)f->at + f->length || memcmp(data + f->at, f->magic, f->length) != 0)
		return SB_NOT_THIS;
	if (f->check != NULL)
		likeness = f->check(data, size);
	return begin && f->sure ? SB_SURELY : likeness;
}

sb_likeness sb_sniff_begin(
	const uint8_t *data, size_t size, const sb_reader_ops *reader, const char **type)
{
	for (size_t i = 0; i < FORMATS; i++) {
		sb_likeness likeness;

		if (formats[i].reader != reader)
			continue;
		likeness = matches(&formats[i], data, size, true);
		if (likeness == SB_NOT_THIS)
			continue;
		*type = formats[i].type;
		return likeness;
	}
	return SB_NOT_THIS;
}

/* --- Searching ---------------------------------------------------------------------------- */

_Static_assert((int)FORMATS <= (int)SB_SNIFF_FORMATS, "a sniffer has a key for each format");

static uint32_t three(const uint8_t *at)
{
	return sb_le16(at) | (uint32_t)at[2] << 16;
}

void sb_sniffer_init(sb_sniffer *sniffer)
{
	sb_pattern keys[FORMATS] = {0};
	size_t count = 0;
	unsigned bucket = 0;

	memset(sniffer, 0, sizeof *sniffer);
	for (size_t i = 0; i < FORMATS; i++) {
		const uint8_t *key = (const uint8_t *)formats[i].magic + formats[i].key;

		if (!formats[i].inside)
			continue;
		sniffer->keys[i] = three(key);
		memcpy(keys[count].bytes, key, 3);
		keys[count++].length = 3;
		for (size_t k = 0; k < 3; k++) {
			sniffer->low[k][key[k] & 15] |= (uint8_t)(1 << bucket);
			sniffer->high[k][key[k] >> 4] |= (uint8_t)(1 << bucket);
		}
		bucket = (bucket + 1) % 8;
	}
	sb_sieve_of(&sniffer->sieve, keys, count);
}

static sb_sniffer shared;

static void make_shared(void)
{
	sb_sniffer_init(&shared);
}

const sb_sniffer *sb_sniffer_shared(void)
{
	static pthread_once_t made = PTHREAD_ONCE_INIT;

	(void)pthread_once(&made, make_shared);
	return &shared;
}

static bool may_begin(const sb_sniffer *s, const uint8_t *at)
{
	return (s->low[0][at[0] & 15] & s->high[0][at[0] >> 4] & s->low[1][at[1] & 15] &
		       s->high[1][at[1] >> 4] & s->low[2][at[2] & 15] & s->high[2][at[2] >> 4]) !=
	       0;
}

#if defined(__x86_64__)
__attribute__((target("ssse3"))) static inline __m128i buckets(
	const sb_sniffer *s, unsigned k, const uint8_t *at)
{
	const __m128i nibble = _mm_set1_epi8(15);
	__m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)at);
	__m128i low = _mm_loadu_si128((const __m128i *)(const void *)s->low[k]);
	__m128i high = _mm_loadu_si128((const __m128i *)(const void *)s->high[k]);

	low = _mm_shuffle_epi8(low, _mm_and_si128(bytes, nibble));
	high = _mm_shuffle_epi8(high, _mm_and_si128(_mm_srli_epi16(bytes, 4), nibble));
	return _mm_and_si128(low, high);
}

/* The first position from @p from on that may begin a key; near @p to at the latest. */
__attribute__((target("ssse3"))) static size_t skim_16(
	const sb_sniffer *s, const uint8_t *data, size_t from, size_t to)
{
	for (; to - from >= 18; from += 16) {
		__m128i found = _mm_and_si128(
			_mm_and_si128(buckets(s, 0, data + from), buckets(s, 1, data + from + 1)),
			buckets(s, 2, data + from + 2));
		int none = _mm_movemask_epi8(_mm_cmpeq_epi8(found, _mm_setzero_si128()));

		if (none != 0xffff)
			return from + (size_t)__builtin_ctz(~(unsigned)none);
	}
	return from;
}

__attribute__((target("avx2"))) static inline __m256i wide_buckets(
	const sb_sniffer *s, unsigned k, const uint8_t *at)
{
	const __m256i nibble = _mm256_set1_epi8(15);
	__m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)at);
	__m256i low = _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const __m128i *)(const void *)s->low[k]));
	__m256i high = _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const __m128i *)(const void *)s->high[k]));

	low = _mm256_shuffle_epi8(low, _mm256_and_si256(bytes, nibble));
	high = _mm256_shuffle_epi8(high, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), nibble));
	return _mm256_and_si256(low, high);
}

/* Likewise. */
__attribute__((target("avx2"))) static size_t skim_32(
	const sb_sniffer *s, const uint8_t *data, size_t from, size_t to)
{
	for (; to - from >= 34; from += 32) {
		__m256i found = _mm256_and_si256(_mm256_and_si256(wide_buckets(s, 0, data + from),
							 wide_buckets(s, 1, data + from + 1)),
			wide_buckets(s, 2, data + from + 2));
		int none = _mm256_movemask_epi8(_mm256_cmpeq_epi8(found, _mm256_setzero_si256()));

		if (none != -1)
			return from + (size_t)__builtin_ctz(~(unsigned)none);
	}
	return from;
}

/* Likewise. */
static size_t skim_64(const sb_sniffer *s, const uint8_t *data, size_t from, size_t to)
{
	uint64_t set = sb_sieve_next(&s->sieve, data, to, &from);

	return set != 0 ? from + (size_t)__builtin_ctzll(set) : to;
}

static size_t skim(const sb_sniffer *s, const uint8_t *data, size_t from, size_t to)
{
	if (s->sieve.usable)
		return skim_64(s, data, from, to);
	if (__builtin_cpu_supports("avx2"))
		from = skim_32(s, data, from, to);
	return __builtin_cpu_supports("ssse3") ? skim_16(s, data, from, to) : from;
}
#endif

static size_t next_key(const sb_sniffer *s, const uint8_t *data, size_t from, size_t to)
{
	while (to - from >= 3) {
#if defined(__x86_64__)
		from = skim(s, data, from, to);
		if (to - from < 3)
			break;
#endif
		if (may_begin(s, data + from))
			return from;
		from++;
	}
	return to;
}

static bool look_closer(
	const sb_sniffer *s, const uint8_t *data, size_t size, size_t key, sb_hit *hit)
{
	const uint32_t there = three(data + key);

	for (size_t i = 0; i < FORMATS; i++) {
		const format *f = &formats[i];
		size_t before = (size_t)f->at + f->key;

		if (there != s->keys[i] || !f->inside || key < before)
			continue;
		hit->offset = key - before;
		hit->likeness = matches(f, data + hit->offset, size - hit->offset, false);
		if (hit->likeness == SB_NOT_THIS)
			continue;
		hit->type = f->type;
		hit->reader = f->reader;
		hit->next = key + 1;
		return true;
	}
	return false;
}

bool sb_sniff_next(const sb_sniffer *sniffer, const uint8_t *data, size_t size, size_t from,
	size_t to, sb_hit *hit)
{
	if (to < size)
		to = size - to < 2 ? size : to + 2;
	while (from < to) {
		from = next_key(sniffer, data, from, to);
		if (from >= to || to - from < 3)
			return false;
		if (look_closer(sniffer, data, size, from, hit))
			return true;
		from++;
	}
	return false;
}

/* --- Closed formats ------------------------------------------------------------------------ */

static const struct {
	const char *what;
	uint32_t at;
	uint32_t length;
	const char *magic;
} closed[] = {
#define AT(offset, text) offset, sizeof(text) - 1, text
	{"ACE archive", AT(7, "**ACE**")},
	{"ALZ archive", AT(0, "ALZ\x01")},
	{"EGG archive", AT(0, "EGGA")},
	{"RAR archive before version 1.5", AT(0, "RE~^")},
	{"StuffIt archive", AT(0, "StuffIt (c)")},
	{"StuffIt archive", AT(0, "SIT!\0")},
	{"ZOO archive", AT(20, "\xdc\xa7\xc4\xfd")},
	{"ZPAQ archive", AT(0, "7kSt\xa0")},
	{"InstallShield cabinet", AT(0, "ISc(")},
	{"lrzip stream", AT(0, "LRZI\0")},
	{"lzop stream", AT(0, "\x89LZO\0\r\n\x1a\n")},
	{"Microsoft compressed file", AT(0, "SZDD\x88\xf0\x27\x33")},
	{"Microsoft compressed file", AT(0, "KWAJ\x88\xf0\x27\xd1")},
	{"compiled HTML help", AT(0, "ITSF\x03\0\0\0")},
	{"Windows image", AT(0, "MSWIM\0\0\0")},
	{"squashfs image", AT(0, "hsqs")},
	{"VHDX disk image", AT(0, "vhdxfile")},
	{"VHD disk image", AT(0, "conectix")},
	{"QCOW disk image", AT(0, "QFI\xfb")},
	{"VMDK disk image", AT(0, "KDMV\x01\0\0\0")},
	{"UDF image", AT(0x8001, "NSR0")},
	{"UDF image", AT(0x8801, "NSR0")},
	{"UDF image", AT(0x9001, "NSR0")},
	{"UDF image", AT(0x9801, "NSR0")},
	{"UDF image", AT(0xa001, "NSR0")},
};

/* What would be a tar archive or gzip, but for one thing that is wrong in its header. */
static const char *nearly(const uint8_t *data, size_t size)
{
	if (size >= 265 && memcmp(data + 257, "ustar", 5) == 0 && check_tar(data, size) == 0)
		return "tar archive with a damaged header";
	if (size >= 18 && data[0] == 0x1f && data[1] == 0x8b && data[2] != 8 && data[2] < 16 &&
		(data[3] & 0xe0) == 0)
		return "gzip with an unknown method";
	if (size >= 24 && memcmp(data + 2, "-lh", 3) == 0 && data[6] == '-' && data[20] <= 3 &&
		check_lha(data, size) == SB_NOT_THIS)
		return "LHA archive with a damaged header";
	return NULL;
}

const char *sb_sniff_closed(const uint8_t *data, size_t size)
{
	for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
		if (size >= closed[i].at + closed[i].length &&
			memcmp(data + closed[i].at, closed[i].magic, closed[i].length) == 0)
			return closed[i].what;
	if (size >= 11 && sb_le16(data) == 0xea60 && sb_le16(data + 2) >= 30 &&
		sb_le16(data + 2) <= 2600 && data[4] >= 30 && data[4] <= 34 && data[10] == 2)
		return "ARJ archive";
	if (size > 512 && memcmp(data + size - 512, "koly\0\0\0\x04", 8) == 0)
		return "Apple disk image";
	return nearly(data, size);
}
