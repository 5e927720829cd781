/* SPDX-License-Identifier: MIT */
/*
 * `audit export`: the log, line by line, through ocsf.c, in constant memory. Like `audit show` it
 * trusts nothing and goes on behind a line that is no record; whether the log is whole is `audit
 * verify`'s business.
 */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "cli/audit_files.h"
#include "cli/ocsf.h"

typedef struct export_run {
	sb_ocsf *ocsf;
	sb_buf text;
	uint64_t after;
	uint64_t first_bad; /* line; 0: none */
	FILE *out;
	bool failed;
} export_run;

static void flush(export_run *run)
{
	if (run->text.failed ||
		fwrite(run->text.data, 1, run->text.length, run->out) != run->text.length)
		run->failed = true;
	sb_buf_clear(&run->text);
}

static void use_line(void *data, const char *line, size_t length, uint64_t number)
{
	export_run *run = data;

	if (!sb_ocsf_line(run->ocsf, line, length, run->after, &run->text) && run->first_bad == 0)
		run->first_bad = number;
	if (run->text.length > 64 * 1024)
		flush(run);
}

static int export_file(export_run *run, FILE *in, const char *path)
{
	bool whole = sb_audit_lines(in, use_line, run);

	sb_ocsf_end(run->ocsf, &run->text);
	flush(run);
	if (ferror(in) != 0 || run->failed) {
		fprintf(stderr, "scanbridge: audit log %s: cannot %s\n", path,
			run->failed ? "write its events" : "read");
		return 2;
	}
	if (run->first_bad != 0)
		fprintf(stderr,
			"scanbridge: audit log %s: line %" PRIu64
			" is no record; run `scanbridge audit verify`\n",
			path, run->first_bad);
	return run->first_bad != 0 || !whole ? 1 : 0;
}

int sb_audit_cmd_export(const char *path, uint64_t after, FILE *out)
{
	export_run run = {.after = after, .out = out, .ocsf = sb_ocsf_new()};
	FILE *in = fopen(path, "re");
	int status = 2;

	if (in == NULL)
		fprintf(stderr, "scanbridge: audit log %s: %s\n", path, strerror(errno));
	sb_buf_init(&run.text, 1 << 20);
	if (in != NULL && run.ocsf != NULL)
		status = export_file(&run, in, path);
	else if (in != NULL)
		fprintf(stderr, "scanbridge: out of memory\n");
	if (in != NULL)
		fclose(in);
	sb_buf_done(&run.text);
	sb_ocsf_free(run.ocsf);
	return status;
}
