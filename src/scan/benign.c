/* SPDX-License-Identifier: MIT */
/* The benign content that the program makes itself; see benign.h. Files: benign_files.c. */
#include "scan/benign.h"

#include <stdlib.h>
#include <string.h>

#include "util/buf.h"
#include "util/text.h"

enum { NOISE = 64 * 1024 };

/* Ordinary content, a little of each kind. */
static const struct {
	const char *name, *text;
} texts[] = {
	{"empty", ""},
	{"letter.txt",
		"Dear all,\n\nthe meeting has moved to Tuesday, 10 o'clock. Please bring the "
		"figures of last month.\n\nKind regards\n"},
	{"page.html",
		"<!DOCTYPE html>\n<html><head><title>A page</title><script>\n"
		"document.addEventListener('click', function (e) { console.log(e); });\n"
		"</script></head><body><h1>Hello</h1><p>Some <b>text</b>.</p></body></html>\n"},
	{"style.css", "body { margin: 0; font: 1em/1.5 sans-serif }\na:hover { color: #036 }\n"},
	{"script.js", "'use strict';\nconst sum = (list) => list.reduce((a, b) => a + b, 0);\n"
		      "module.exports = { sum };\n"},
	{"data.json",
		"{\"name\": \"one\", \"values\": [1, 2.5, null, true], \"text\": \"a\\nb\"}\n"},
	{"table.csv", "date;amount;text\n2026-01-02;12,50;paper\n2026-01-03;3,20;pens\n"},
	{"settings.yaml", "server:\n  host: localhost\n  port: 8080\nusers: [a, b]\n"},
	{"run.sh", "#!/bin/sh\nset -e\nfor f in \"$@\"; do\n\tgzip -k \"$f\"\ndone\n"},
	{"tool.py", "import os\nimport sys\n\nfor name in sys.argv[1:]:\n    print(name, "
		    "os.path.getsize(name))\n"},
	{"main.c", "#include <stdio.h>\n\nint main(void)\n{\n\tputs(\"hello\");\n\treturn 0;\n}\n"},
	{"tables.sql", "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT);\n"
		       "INSERT INTO t (name) VALUES ('one');\nSELECT * FROM t;\n"},
	{"drawing.svg", "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"9\" height=\"9\">"
			"<circle cx=\"4\" cy=\"4\" r=\"3\"/></svg>\n"},
	{"mail.eml", "From: a@example.org\r\nTo: b@example.org\r\nSubject: lunch\r\n"
		     "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
		     "At noon?\r\n"},
	{"document.pdf", "%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
			 "2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
			 "3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 99 99]>>endobj\n"
			 "trailer<</Root 1 0 R/Size 4>>\n%%EOF\n"},
};

/* Small files of other kinds, in digits: two pictures of one dot, an archive with one
 * text. */
static const struct {
	const char *name, *digits;
} binaries[] = {
	{"dot.png", "89504e470d0a1a0a0000000d49484452000000010000000108000000003a7e9b55"
		    "0000000a49444154789c636000000002000148afa4710000000049454e44ae4260"
		    "82"},
	{"dot.gif", "47494638396101000100800000000000ffffff2c00000000010001000002024401003b"},
	{"notes.zip", "504b030414000000000000002100ac2a93d80200000002000000050000006e6f74"
		      "65736869504b0102140314000000000000002100ac2a93d8020000000200000005"
		      "00000000000000000000008001000000006e6f746573504b050600000000010001"
		      "0033000000250000000000"},
};

static int show_text(sb_benign_fn fn, void *data, sb_error *error)
{
	int status = 0;

	for (size_t i = 0; status == 0 && i < sizeof texts / sizeof texts[0]; i++)
		status = fn(data, texts[i].name, texts[i].text, strlen(texts[i].text), error);
	return status;
}

static int show_binaries(sb_benign_fn fn, void *data, sb_error *error)
{
	uint8_t bytes[512];
	int status = 0;

	for (size_t i = 0; status == 0 && i < sizeof binaries / sizeof binaries[0]; i++) {
		size_t digits = strlen(binaries[i].digits);

		if (digits / 2 <= sizeof bytes &&
			sb_unhex(bytes, digits / 2, binaries[i].digits, digits))
			status = fn(data, binaries[i].name, bytes, digits / 2, error);
	}
	return status;
}

/* Always the same: a rule must not pass today and be refused tomorrow. */
static void make_noise(uint8_t bytes[NOISE])
{
	uint64_t state = 0x9e3779b97f4a7c15;

	for (unsigned i = 0; i < NOISE; i++) { /* xorshift64 */
		state ^= state << 13;
		state ^= state >> 7;
		state ^= state << 17;
		bytes[i] = (uint8_t)(state >> 32);
	}
}

static int show_noise(sb_benign_fn fn, void *data, sb_error *error)
{
	uint8_t *bytes = calloc(1, NOISE);
	sb_buf text;
	int status;

	if (bytes == NULL)
		return sb_error_no_memory(error);
	sb_buf_init(&text, 2 * NOISE);
	status = fn(data, "zeros.bin", bytes, NOISE, error);
	for (unsigned i = 0; i < NOISE; i++)
		bytes[i] = (uint8_t)(i + i / 256);
	if (status == 0)
		status = fn(data, "bytes.bin", bytes, NOISE, error);
	make_noise(bytes);
	sb_base64(&text, bytes, NOISE);
	if (status == 0)
		status = fn(data, "noise.bin", bytes, NOISE, error);
	if (status == 0 && !text.failed)
		status = fn(data, "noise.txt", text.data, text.length, error);
	sb_buf_done(&text);
	free(bytes);
	return status;
}

int sb_benign_made(sb_benign_fn fn, void *data, sb_error *error)
{
	static int (*const kinds[])(sb_benign_fn, void *, sb_error *) = {
		show_text, show_binaries, show_noise};
	int status = 0;

	for (size_t i = 0; status == 0 && i < sizeof kinds / sizeof kinds[0]; i++)
		status = kinds[i](fn, data, error);
	return status;
}
