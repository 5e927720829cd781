/* SPDX-License-Identifier: MIT */
/*
 * The walk over containers of every kind: what is handed over, under which path, and what is
 * said when something can't be; limits one below, at and one above; truncation everywhere.
 */
#include "containers/containers.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "containers/samples_test.h"

static const sb_container_limits wide = {
	.max_depth = 8,
	.max_members = 1000,
	.max_bytes = 256 << 20,
	.max_member = 64 << 20,
	.max_memory = 128 << 20,
	.max_ratio = 1000,
};

typedef struct walk {
	sb_walked out;
	char paths[4096]; /* `path path …` in their order */
	unsigned whole;   /* doc.txt and b.bin that came as they are */
	int stop_at;      /* return that for the n-th call, counting from 1 */
	int calls, expire_after;
	int result;
} walk;

static int note(void *data, const sb_member *m)
{
	walk *w = data;

	assert_int_equal(strlen(m->path), m->path_length);
	assert_int_equal(strlen(m->name), m->name_length);
	assert_true(m->depth > 0 || m->path_length == 0);
	if (m->depth > 0)
		snprintf(w->paths + strlen(w->paths), sizeof w->paths - strlen(w->paths), "%s%s",
			w->paths[0] != '\0' ? " " : "", m->path);
	for (size_t i = 0; sample_files[i].name != NULL; i++)
		if (m->size == sample_files[i].size &&
			memcmp(m->data, sample_files[i].data, m->size) == 0)
			w->whole++;
	return ++w->calls == w->stop_at ? 7 : 0;
}

static bool late(void *data)
{
	walk *w = data;

	return w->expire_after > 0 && --w->expire_after == 0;
}

static void go(walk *w, sample s, const char *name, const sb_container_limits *limits,
	const char *const *passwords)
{
	const sb_walk_options options = {.limits = *limits,
		.passwords = passwords,
		.member = note,
		.expired = late,
		.data = w};

	w->paths[0] = '\0';
	w->whole = 0;
	w->calls = 0;
	w->result = sb_containers_walk(
		&w->out, s.data, s.size, name, name != NULL ? strlen(name) : 0, &options);
}

/* Walk and free. */
static walk *look(sample s, const char *name)
{
	static walk w;

	w = (walk){0};
	go(&w, s, name, &wide, NULL);
	free(s.data);
	return &w;
}

static void assert_clean(const walk *w)
{
	assert_string_equal(w->out.message, "");
	assert_int_equal(w->out.problem, SB_KIND_NONE);
	assert_string_equal(w->out.doubt_message, "");
	assert_false(w->out.doubt);
}

/* --- Formats ------------------------------------------------------------------------------- */

static const struct {
	const char *format, *filter, *options, *name, *type, *paths;
} formats[] = {
	{"zip", NULL, NULL, "a.zip", "zip", "doc.txt dir/b.bin"},
	{"zip", NULL, "zip:compression=store", "a.zip", "zip", "doc.txt dir/b.bin"},
	{"7zip", NULL, NULL, "a.7z", "7z", "doc.txt dir/b.bin"},
	{"7zip", NULL, "compression=bzip2", "a.7z", "7z", "doc.txt dir/b.bin"},
	{"7zip", NULL, "compression=store", "a.7z", "7z", "doc.txt dir/b.bin"},
	{"ustar", NULL, NULL, "a.tar", "tar", "doc.txt dir/b.bin"},
	{"gnutar", NULL, NULL, "a.tar", "tar", "doc.txt dir/b.bin"},
	{"pax", NULL, NULL, "a.tar", "tar", "doc.txt dir/b.bin"},
	{"v7tar", NULL, NULL, "a.tar", "tar", "doc.txt dir/b.bin"},
	{"newc", NULL, NULL, "a.cpio", "cpio", "doc.txt dir/b.bin"},
	{"odc", NULL, NULL, "a.cpio", "cpio", "doc.txt dir/b.bin"},
	{"bin", NULL, NULL, "a.cpio", "cpio", "doc.txt dir/b.bin"},
	{"iso9660", NULL, NULL, "a.iso", "iso", "doc.txt dir/b.bin"},
	{"xar", NULL, NULL, "a.xar", "xar", "doc.txt dir/b.bin"},
	{"warc", NULL, NULL, "a.warc", "warc", "file://doc.txt"},
	{"ustar", "gzip", NULL, "a.tar.gz", "gzip", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
	{"ustar", "gzip", NULL, "a.TGZ", "gzip", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
	{"ustar", "bzip2", NULL, "a.tbz2", "bzip2", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
	{"ustar", "xz", NULL, "a.tar.xz", "xz", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
	{"ustar", "lzma", NULL, "a.tar.lzma", "lzma", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
	{"ustar", "lzip", NULL, "a.tar.lz", "lzip", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
	{"ustar", "compress", NULL, "a.tar.Z", "compress", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
	{"ustar", "zstd", NULL, "a.tar.zst", "zstd", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
	{"ustar", "lz4", NULL, "a.tar.lz4", "lz4", "a.tar a.tar/doc.txt a.tar/dir/b.bin"},
};

static void test_formats(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
		sample s = sample_archive(formats[i].format, formats[i].filter, formats[i].options,
			NULL, sample_files);
		walk *w = look(s, formats[i].name);

		print_message("%s %s\n", formats[i].format,
			formats[i].filter != NULL ? formats[i].filter : "");
		/* That one has neither sum nor end mark. */
		if (strcmp(formats[i].type, "compress") == 0)
			assert_true(w->out.doubt && w->out.problem == SB_KIND_NONE);
		else
			assert_clean(w);
		if (strcmp(formats[i].format, "warc") != 0) {
			/* Behind them, directories of an image, which are nobody's members. */
			assert_memory_equal(w->paths, formats[i].paths, strlen(formats[i].paths));
			assert_true(w->paths[strlen(formats[i].paths)] == '\0' ||
				    strcmp(formats[i].type, "iso") == 0);
			assert_int_equal(w->whole, 2);
		}
		assert_string_equal(w->out.type, formats[i].type);
	}
}

static void test_formats_by_hand(void **state)
{
	static const char *const types[] = {"rar", "rar", "cab", "lha", "zip", "zip"};
	const sample samples[] = {sample_rar4(false), sample_rar5(false), sample_cab(),
		sample_lha(), sample_zip(sample_files, false), sample_zip(sample_files, true)};

	(void)state;
	for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
		walk *w = look(samples[i], "x");

		print_message("%s\n", types[i]);
		assert_clean(w);
		assert_string_equal(w->out.type, types[i]);
		assert_string_equal(w->paths, i < 4 ? "doc.txt" : "doc.txt dir/b.bin");
		assert_int_equal(w->whole, i < 4 ? 1 : 2);
	}
}

static const char brotli[] = "\x0b\x05\x80hello world\x03";

static void test_brotli_goes_by_its_name(void **state)
{
	sample s = sample_of(brotli, sizeof brotli - 1);
	walk *w;

	(void)state;
	w = look(sample_of(s.data, s.size), "doc.txt.br");
	assert_clean(w);
	assert_string_equal(w->paths, "doc.txt");
	assert_int_equal(w->whole, 1);
	w = look(sample_of(s.data, s.size), "doc.txt");
	assert_clean(w);
	assert_int_equal(w->out.members, 0);
	w = look(sample_of(s.data, s.size - 1), "doc.txt.br");
	assert_int_equal(w->out.problem, SB_KIND_CORRUPT);
	w = look(sample_of("plain text, no stream at all", 28), "text.br");
	assert_int_equal(w->out.problem, SB_KIND_NONE);
	assert_true(w->out.doubt);
	free(s.data);
}

static void test_no_container(void **state)
{
	walk *w = look(sample_of("just text", 9), "a.txt");

	(void)state;
	assert_clean(w);
	assert_int_equal(w->calls, 1);
	assert_int_equal(w->out.depth, 0);
	assert_string_equal(w->out.type, "");
	assert_clean(look(sample_of("", 0), NULL));
}

static void test_nested(void **state)
{
	sample zip = sample_zip(sample_files, false);
	sample gz = sample_packed("gzip", zip.data, zip.size);
	const sample_file files[] = {{"in.zip.gz", gz.data, gz.size}, {NULL, NULL, 0}};
	walk *w = look(sample_archive("ustar", "xz", NULL, NULL, files), "t.tar.xz");

	(void)state;
	assert_clean(w);
	assert_string_equal(w->paths, "t.tar t.tar/in.zip.gz t.tar/in.zip.gz/in.zip "
				      "t.tar/in.zip.gz/in.zip/doc.txt "
				      "t.tar/in.zip.gz/in.zip/dir/b.bin");
	assert_int_equal(w->out.depth, 4);
	assert_int_equal(w->out.members, 5);
	free(zip.data);
	free(gz.data);
}

static void test_names(void **state)
{
	static char longest[3000];
	const sample_file files[] = {{"../../etc/passwd", "x", 1}, {"caf\xc3\xa9", "x", 1},
		{longest, "x", 1}, {"empty", "", 0}, {NULL, NULL, 0}};
	walk *w;

	(void)state;
	memset(longest, 'n', sizeof longest - 1);
	w = look(sample_zip(files, true), NULL);
	assert_clean(w);
	assert_true(strncmp(w->paths, "../../etc/passwd caf\xc3\xa9 nnn", 25) == 0);
	assert_int_equal(w->out.members, 4);
	assert_int_equal(strlen(w->paths), 16 + 1 + 5 + 1 + 1024 + 1 + 5);
}

/* --- Limits ---------------------------------------------------------------------------------- */

static void test_member_ends_the_walk(void **state)
{
	(void)state;
	for (int n = 1; n <= 3; n++) {
		sample s = sample_zip(sample_files, false);
		walk w = {.stop_at = n};

		go(&w, s, NULL, &wide, NULL);
		assert_int_equal(w.result, 7);
		assert_int_equal(w.calls, n);
		free(s.data);
	}
}

static void test_time(void **state)
{
	sample s = sample_zip(sample_files, false);
	walk w = {0};

	(void)state;
	for (int n = 1; n < 1000 && (n == 1 || w.out.problem != SB_KIND_NONE); n++) {
		w.expire_after = n;
		go(&w, s, NULL, &wide, NULL);
		if (w.out.problem == SB_KIND_NONE)
			assert_int_equal(w.whole, 2);
		else
			assert_int_equal(w.out.problem, SB_KIND_LIMIT_EXCEEDED);
	}
	assert_int_equal(w.out.problem, SB_KIND_NONE);
	free(s.data);
}

static void at_limit(sample s, const sb_container_limits *limits, bool holds, const char *says)
{
	walk w = {0};

	go(&w, s, "n", limits, NULL);
	if (holds) {
		assert_clean(&w);
		return;
	}
	assert_int_equal(w.out.problem, SB_KIND_LIMIT_EXCEEDED);
	assert_true((w.out.facts & SB_FACT_LIMIT) != 0);
	assert_non_null(strstr(w.out.message, says));
}

static void test_limits(void **state)
{
	sample zip = sample_zip(sample_files, false),
	       gz = sample_packed("gzip", zip.data, zip.size);

	(void)state;
	for (int d = -1; d <= 1; d++) {
		sb_container_limits limits = wide;

		limits.max_members = (uint64_t)(2 + d);
		at_limit(zip, &limits, d >= 0, "max_members 1");
		limits = wide;
		limits.max_bytes = (uint64_t)(DOC_SIZE + BIN_SIZE + d);
		at_limit(zip, &limits, d >= 0, "max_size 5010");
		limits = wide;
		limits.max_member = (uint64_t)(BIN_SIZE + d);
		at_limit(zip, &limits, d >= 0, "max_member 4999");
		limits = wide;
		limits.max_memory = (uint64_t)(BIN_SIZE + d);
		at_limit(zip, &limits, d >= 0, "max_memory 4999");
		limits = wide;
		limits.max_depth = (unsigned)(2 + d);
		at_limit(gz, &limits, d >= 0, "max_depth 1");
	}
	free(zip.data);
	free(gz.data);
}

/* Stored bytes are handed over where they lie, whatever may be held. */
static void test_stored_members_need_no_memory(void **state)
{
	sb_container_limits limits = wide;
	sample zip = sample_zip(sample_files, true);
	sample tar = sample_archive("pax", NULL, NULL, NULL, sample_files);

	(void)state;
	limits.max_memory = 0;
	at_limit(zip, &limits, true, "");
	at_limit(tar, &limits, true, "");
	free(zip.data);
	free(tar.data);
}

static void test_ratio(void **state)
{
	const size_t from = (size_t)16 << 20;
	uint8_t *zeros = calloc(1, from + 1);
	sb_container_limits limits = wide;
	sample at = sample_packed("gzip", zeros, from),
	       above = sample_packed("gzip", zeros, from + 1);
	unsigned ratio = (unsigned)((from + above.size) / above.size);

	(void)state;
	limits.max_ratio = 1;
	at_limit(at, &limits, true, "");
	at_limit(above, &limits, false, "max_ratio 1 ");
	limits.max_ratio = ratio - 1;
	at_limit(above, &limits, false, "max_ratio");
	limits.max_ratio = ratio;
	at_limit(above, &limits, true, "");
	limits.max_ratio = ratio + 1;
	at_limit(above, &limits, true, "");
	free(at.data);
	free(above.data);
	free(zeros);
}

/* One member too large costs that member, not the others. */
static void test_others_are_still_judged(void **state)
{
	sb_container_limits limits = wide;
	sample zip = sample_zip(sample_files, false);
	walk w = {0};

	(void)state;
	limits.max_member = 100;
	go(&w, zip, NULL, &limits, NULL);
	assert_int_equal(w.out.problem, SB_KIND_LIMIT_EXCEEDED);
	assert_string_equal(w.paths, "doc.txt");
	free(zip.data);
}

/* Where passing over a member means to unpack it, a limit ends the look at that archive. */
static void test_solid_archive_ends_at_a_limit(void **state)
{
	const sample_file files[] = {sample_files[1], sample_files[0], {NULL, NULL, 0}};
	sb_container_limits limits = wide;
	sample s = sample_archive("7zip", NULL, NULL, NULL, files);
	walk w = {0};

	(void)state;
	limits.max_member = 100;
	go(&w, s, NULL, &limits, NULL);
	assert_int_equal(w.out.problem, SB_KIND_LIMIT_EXCEEDED);
	assert_string_equal(w.paths, "");
	free(s.data);
}

static void test_ar_with_a_cut_name_table(void **state)
{
	static const char ar[] = "!<arch>\n//              "
				 "                                "
				 "1000000000`\n and no more";
	walk *w = look(sample_of(ar, sizeof ar - 1), NULL);

	(void)state;
	assert_int_equal(w->out.problem, SB_KIND_CORRUPT);
}

/* A compressed tar archive need not fit into memory as a whole. */
static void test_large_tar_is_read_as_it_unpacks(void **state)
{
	sb_container_limits limits = wide;
	sample tgz = sample_archive("ustar", "gzip", NULL, NULL, sample_files);
	walk w = {0};

	(void)state;
	limits.max_member = limits.max_memory = BIN_SIZE;
	go(&w, tgz, "a.tgz", &limits, NULL);
	assert_clean(&w);
	assert_string_equal(w.paths, "doc.txt dir/b.bin");
	assert_int_equal(w.whole, 2);
	assert_int_equal(w.out.members, 2);
	free(tgz.data);
}

static sample nest(sample inner, unsigned copies)
{
	sample_file files[17] = {{NULL, NULL, 0}};
	char names[16][16];
	sample outer;

	for (unsigned i = 0; i < copies; i++) {
		snprintf(names[i], sizeof names[i], "%u.zip", i);
		files[i] = (sample_file){names[i], inner.data, inner.size};
	}
	outer = sample_zip(files, false);
	free(inner.data);
	return outer;
}

static void test_bomb(void **state)
{
	sb_container_limits limits = wide;
	uint8_t *zeros = calloc(1, (size_t)40 << 20);
	const sample_file files[] = {{"0.dll", zeros, (size_t)40 << 20}, {NULL, NULL, 0}};
	sample s = sample_archive("zip", NULL, NULL, NULL, files);
	walk w = {0};

	(void)state;
	for (int i = 0; i < 4; i++)
		s = nest(s, 16);
	limits.max_ratio = 100;
	go(&w, s, NULL, &limits, NULL);
	assert_int_equal(w.out.problem, SB_KIND_LIMIT_EXCEEDED);
	assert_true(w.out.bytes < (uint64_t)32 << 20);
	assert_int_equal(w.calls, 5);
	free(zeros);
	free(s.data);
}

/* --- Problems ----------------------------------------------------------------------------------
 */

static void test_passwords(void **state)
{
	static const char *const right[] = {"", "no", "infected", NULL}, *const wrong[] = {
										 "no", NULL};
	static const char *const ways[] = {
		"zip:encryption=zipcrypt", "zip:encryption=aes128", "zip:encryption=aes256"};

	(void)state;
	for (size_t i = 0; i < sizeof ways / sizeof *ways; i++) {
		sample s = sample_archive("zip", NULL, ways[i], "infected", sample_files);
		walk w = {0};

		go(&w, s, NULL, &wide, NULL);
		assert_int_equal(w.out.problem, SB_KIND_ENCRYPTED);
		assert_int_equal(w.out.facts, SB_FACT_ENCRYPTED);
		assert_int_equal(w.whole, 0);
		go(&w, s, NULL, &wide, wrong);
		assert_int_equal(w.out.problem, SB_KIND_ENCRYPTED);
		go(&w, s, NULL, &wide, right);
		assert_clean(&w);
		assert_int_equal(w.whole, 2);
		free(s.data);
	}
}

/* Methods and parts. Both headers of the second member say so. */
static void test_unsupported(void **state)
{
	static const uint8_t methods[] = {1, 6, 9, 10, 18};
	walk *w;

	(void)state;
	for (size_t i = 0; i < sizeof methods; i++) {
		sample s = sample_zip(sample_files, false);
		uint8_t *at = memmem(s.data, s.size, "dir/b.bin", 9);

		at[-30 + 8] = methods[i];
		at = memmem(at + 9, s.size - (size_t)(at + 9 - s.data), "dir/b.bin", 9);
		at[-46 + 10] = methods[i];
		w = look(s, NULL);
		assert_int_equal(w->out.problem, SB_KIND_UNSUPPORTED);
		assert_string_equal(w->paths, "doc.txt");
	}
	w = look(sample_rar4(true), NULL);
	assert_int_equal(w->out.problem, SB_KIND_UNSUPPORTED);
	w = look(sample_rar5(true), NULL);
	assert_int_equal(w->out.problem, SB_KIND_UNSUPPORTED);
}

static void test_message_names_the_member_escaped(void **state)
{
	const sample_file files[] = {{"a\x1b[2Jb", "hello world", 11}, {NULL, NULL, 0}};
	sample zip = sample_zip(files, true);
	const sample_file outer[] = {{"in.zip", zip.data, zip.size}, {NULL, NULL, 0}};
	walk *w;

	(void)state;
	zip.data[30 + 6] ^= 1;
	w = look(sample_archive("ustar", NULL, NULL, NULL, outer), NULL);
	assert_int_equal(w->out.problem, SB_KIND_CORRUPT);
	assert_true(strncmp(w->out.message, "in.zip/a\\x1b[2Jb: ", 18) == 0);
	free(zip.data);
}

/* Cut anywhere, nothing may pass for inspected while a member is missing. */
static void cut_everywhere(sample s, const char *name, unsigned members)
{
	for (size_t size = 1; size < s.size; size++) {
		walk *w = look(sample_of(s.data, size), name);

		if (w->out.problem == SB_KIND_NONE && !w->out.doubt && w->whole < members &&
			w->out.depth > 0)
			fail_msg("%s cut to %zu of %zu: %s", name, size, s.size, w->paths);
		/* Where the signature is whole, so is the knowledge that it is one. */
		if (size >= 10 && w->whole < members && w->out.problem == SB_KIND_NONE &&
			!w->out.doubt)
			fail_msg("%s cut to %zu of %zu is no container", name, size, s.size);
	}
	free(s.data);
}

static void test_truncation(void **state)
{
	static const sample_file small[] = {
		{"doc.txt", "hello world", 11}, {"copy.txt", "hello world", 11}, {NULL, NULL, 0}};

	(void)state;
	cut_everywhere(sample_zip(small, false), "zip", 2);
	cut_everywhere(sample_zip(small, true), "stored zip", 2);
	cut_everywhere(sample_archive("zip", NULL, NULL, NULL, small), "streamed zip", 2);
	cut_everywhere(sample_archive("7zip", NULL, NULL, NULL, small), "7z", 2);
	cut_everywhere(sample_archive("ustar", "gzip", NULL, NULL, small), "tar.gz", 2);
	cut_everywhere(sample_archive("ustar", "xz", NULL, NULL, small), "tar.xz", 2);
	cut_everywhere(sample_archive("ustar", "zstd", NULL, NULL, small), "tar.zst", 2);
	cut_everywhere(sample_archive("ustar", "bzip2", NULL, NULL, small), "tar.bz2", 2);
	cut_everywhere(sample_archive("newc", NULL, NULL, NULL, small), "cpio", 2);
}

/* --- What hides ----------------------------------------------------------------------------------
 */

static sample stub(void)
{
	static const char text[] = "MZ\x90 an executable that unpacks what follows, PK or not ";

	return sample_of(text, sizeof text - 1);
}

static void test_behind_a_stub(void **state)
{
	walk *w = look(sample_join(stub(), sample_zip(sample_files, false)), "setup.exe");

	(void)state;
	assert_clean(w);
	assert_string_equal(w->paths, "doc.txt dir/b.bin");
	w = look(sample_join(stub(), sample_archive("7zip", NULL, NULL, NULL, sample_files)), "x");
	assert_clean(w);
	assert_string_equal(w->paths, "@55.7z/doc.txt @55.7z/dir/b.bin");
	assert_string_equal(w->out.type, "7z");
	w = look(sample_join(stub(), sample_rar4(false)), "x");
	assert_clean(w);
	assert_string_equal(w->paths, "@55.rar/doc.txt");
	w = look(sample_join(stub(), sample_rar5(false)), "x");
	assert_clean(w);
	assert_string_equal(w->paths, "@55.rar/doc.txt");
}

static void test_packed_in_the_middle(void **state)
{
	static const char *const filters[] = {"gzip", "bzip2", "xz", "zstd", "lz4", "lzip"};

	(void)state;
	for (size_t i = 0; i < sizeof filters / sizeof *filters; i++) {
		sample s = sample_packed(filters[i], sample_files[1].data, BIN_SIZE);
		walk *w;

		s = sample_join(sample_join(stub(), s), stub());
		s = sample_join(s, sample_packed(filters[i], "hello world", 11));
		w = look(s, "x");
		print_message("%s\n", filters[i]);
		assert_clean(w);
		assert_int_equal(w->whole, 2);
		assert_int_equal(w->out.members, 2);
	}
}

static void test_one_behind_the_other(void **state)
{
	sample first = sample_archive("ustar", "gzip", NULL, NULL, sample_files);
	walk *w = look(sample_join(first, sample_zip(sample_files, false)), "a.tar.gz");

	(void)state;
	assert_clean(w);
	assert_int_equal(w->whole, 4);
	w = look(sample_join(sample_zip(sample_files, false), sample_zip(sample_files, true)), "x");
	assert_clean(w);
	assert_int_equal(w->whole, 4);
	assert_int_equal(w->out.members, 4);
	w = look(sample_join(sample_archive("ustar", NULL, NULL, NULL, sample_files),
			 sample_archive("ustar", NULL, NULL, NULL, sample_files)),
		"x");
	assert_clean(w);
	assert_int_equal(w->whole, 4);
	w = look(sample_join(sample_packed("gzip", "hello ", 6), sample_packed("gzip", "world", 5)),
		"x.gz");
	assert_clean(w);
	assert_string_equal(w->paths, "x");
	assert_int_equal(w->whole, 1);
}

/* An entry of the directory is gone: its local header still tells. */
static void test_zip_member_outside_the_directory(void **state)
{
	sample s = sample_zip(sample_files, false);
	uint8_t *end = s.data + s.size - 22, *second = memmem(s.data, s.size, "PK\1\2", 4);
	size_t first = 46 + 7;
	walk *w;

	(void)state;
	/* The directory now begins with its second entry, and says so. */
	end[8] = end[10] = 1;
	end[12] = (uint8_t)(end[12] - first);
	end[16] = (uint8_t)((size_t)(second + first - s.data) & 0xff);
	end[17] = (uint8_t)((size_t)(second + first - s.data) >> 8);
	w = look(s, NULL);
	assert_true(strncmp(w->paths, "dir/b.bin doc.txt", 17) == 0);
	assert_int_equal(w->out.problem, SB_KIND_NONE);
}

static void test_zip_in_the_comment(void **state)
{
	sample outer = sample_zip(sample_files, false), inner = sample_zip(sample_files, true);
	walk *w;

	(void)state;
	outer.data[outer.size - 2] = (uint8_t)inner.size;
	outer.data[outer.size - 1] = (uint8_t)(inner.size >> 8);
	w = look(sample_join(outer, inner), NULL);
	assert_clean(w);
	assert_int_equal(w->whole, 4);
}

static void test_zip_directory_with_bytes(void **state)
{
	const sample_file files[] = {
		{"evil/", "hello world", 11}, {"doc.txt", "hello world", 11}, {NULL, NULL, 0}};

	(void)state;
	for (int stored = 0; stored < 2; stored++) {
		walk *w = look(sample_zip(files, stored != 0), NULL);

		assert_clean(w);
		assert_int_equal(w->whole, 2);
	}
}

/* A damaged member does not hide those behind it. */
static void test_behind_damage(void **state)
{
	const sample_file files[] = {sample_files[1], sample_files[0], {NULL, NULL, 0}};
	sample s = sample_zip(files, false);
	walk *w;

	(void)state;
	memset(s.data + 30 + 9 + 20, 0xff, 200);
	w = look(s, NULL);
	assert_int_equal(w->out.problem, SB_KIND_CORRUPT);
	assert_int_equal(w->whole, 1);
}

/* A file that is only in the Joliet tree: where the record of the other tree is, its sector ends.
 */
static void test_iso_with_two_trees(void **state)
{
	sample s = sample_archive("iso9660", NULL, NULL, NULL, sample_files);
	uint8_t *name = memmem(s.data, s.size, "DOC.TXT;1", 9);
	walk *w;

	(void)state;
	assert_non_null(name);
	name[-33] = 0;
	w = look(s, NULL);
	assert_int_equal(w->out.problem, SB_KIND_NONE);
	assert_int_equal(w->whole, 2);
	assert_non_null(strstr(w->paths, "doc.txt"));
}

static void test_tar_and_zip_at_once(void **state)
{
	sample tar = sample_archive("ustar", NULL, NULL, NULL, sample_files);
	walk *w = look(sample_join(tar, sample_zip(sample_files, false)), "both");

	(void)state;
	assert_clean(w);
	assert_int_equal(w->whole, 4);
}

static void test_many_signatures(void **state)
{
	static uint8_t text[4096];
	walk *w;

	(void)state;
	for (size_t i = 0; i + 32 < sizeof text; i += 32)
		memcpy(text + i + 1, "BZh91AY&SY and no more", 22);
	w = look(sample_of(text, sizeof text), NULL);
	assert_int_equal(w->out.problem, SB_KIND_NONE);
	assert_true(w->out.doubt);
	w = look(sample_of(text, 32 * 60), NULL);
	assert_clean(w);
}

/* In the padding of a tar archive, behind its end, in an extra field of a zip file. */
static void test_slack(void **state)
{
	static const char text[] = "this is long enough to be worth a look of its own";
	sample s = sample_archive("ustar", NULL, NULL, NULL, sample_files);
	uint8_t *doc = memmem(s.data, s.size, "hello world", DOC_SIZE);
	walk *w;

	(void)state;
	memcpy(doc + DOC_SIZE, text, sizeof text);
	memcpy(s.data + s.size - 512, text, sizeof text);
	w = look(s, "a.tar");
	assert_clean(w);
	assert_int_equal(w->whole, 2);
	assert_int_equal(w->out.members, 4);
}

/* Sums that libarchive does not look at. */
static void test_gzip_sums(void **state)
{
	(void)state;
	for (size_t back = 1; back <= 8; back++) {
		sample s = sample_packed("gzip", "hello world", 11);
		walk *w;

		s.data[s.size - back] ^= 1;
		w = look(s, "a.gz");
		assert_int_equal(w->out.problem, SB_KIND_CORRUPT);
		assert_int_equal(w->whole, 1);
	}
}

static void test_lzma_without_its_end(void **state)
{
	sample s = sample_packed("lzma", "hello world", 11);
	walk *w = look(sample_cut(s, s.size - 3), "a.lzma");

	(void)state;
	assert_true(w->out.doubt);
}

static void test_closed_format(void **state)
{
	walk *w = look(sample_of("ITSF\3\0\0\0 help", 13), "a.chm");

	(void)state;
	assert_int_equal(w->out.problem, SB_KIND_NONE);
	assert_true(w->out.doubt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_formats),
		cmocka_unit_test(test_formats_by_hand),
		cmocka_unit_test(test_brotli_goes_by_its_name),
		cmocka_unit_test(test_no_container),
		cmocka_unit_test(test_nested),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_member_ends_the_walk),
		cmocka_unit_test(test_time),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_stored_members_need_no_memory),
		cmocka_unit_test(test_ratio),
		cmocka_unit_test(test_others_are_still_judged),
		cmocka_unit_test(test_solid_archive_ends_at_a_limit),
		cmocka_unit_test(test_ar_with_a_cut_name_table),
		cmocka_unit_test(test_large_tar_is_read_as_it_unpacks),
		cmocka_unit_test(test_bomb),
		cmocka_unit_test(test_passwords),
		cmocka_unit_test(test_unsupported),
		cmocka_unit_test(test_message_names_the_member_escaped),
		cmocka_unit_test(test_truncation),
		cmocka_unit_test(test_behind_a_stub),
		cmocka_unit_test(test_packed_in_the_middle),
		cmocka_unit_test(test_one_behind_the_other),
		cmocka_unit_test(test_zip_member_outside_the_directory),
		cmocka_unit_test(test_zip_in_the_comment),
		cmocka_unit_test(test_zip_directory_with_bytes),
		cmocka_unit_test(test_behind_damage),
		cmocka_unit_test(test_iso_with_two_trees),
		cmocka_unit_test(test_tar_and_zip_at_once),
		cmocka_unit_test(test_many_signatures),
		cmocka_unit_test(test_closed_format),
		cmocka_unit_test(test_slack),
		cmocka_unit_test(test_gzip_sums),
		cmocka_unit_test(test_lzma_without_its_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
