/* SPDX-License-Identifier: MIT */
/* Configuration files from the command line: looked at, shown in full, begun. */
#include "cli/config_files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "util/error.h"
#include "util/io.h"

enum { OK = 0, BAD = 1, FAILED = 2, TEXT_BYTES = 64 << 20 };

/* What can't be read could not be checked; what was read and is wrong failed the check. */
static int complain(FILE *err, const sb_error *error)
{
	fprintf(err, "scanbridge: %s\n", error->message);
	return error->kind == SB_KIND_NOT_CONFIGURED ? BAD : FAILED;
}

static int load(const char *path, sb_config **out, char **name, sb_error *error)
{
	int rc = 0;

	*name = sb_config_find(path);
	*out = sb_config_new();
	if (*out == NULL)
		return sb_error_no_memory(error);
	if (*name != NULL)
		rc = sb_config_load_file(
			*out, strcmp(*name, "-") == 0 ? "/dev/stdin" : *name, error);
	return rc;
}

static int check(const sb_config *config, const char *name, FILE *out, sb_error *error)
{
	sb_conf *conf;
	int rc = sb_conf_build(&conf, config, error);

	if (rc != 0)
		return rc;
	fprintf(out, "%s: ok (%zu engine%s, policy %s)\n",
		name != NULL ? name : "built-in defaults", conf->engine_count,
		conf->engine_count == 1 ? "" : "s", sb_policy_name(conf->policy));
	for (size_t i = 0; i < conf->notice_count; i++)
		fprintf(out, "  note: %s\n", conf->notices[i]);
	sb_conf_free(conf);
	return 0;
}

int sb_config_cmd_check(const char *path, FILE *out, FILE *err)
{
	sb_config *config = NULL;
	char *name = NULL;
	sb_error error;
	int rc;

	sb_error_init(&error);
	rc = load(path, &config, &name, &error);
	if (rc == 0)
		rc = check(config, name, out, &error);
	sb_config_free(config);
	free(name);
	return rc == 0 ? OK : complain(err, &error);
}

int sb_config_cmd_show(const char *path, FILE *out, FILE *err)
{
	sb_config *config = NULL;
	char *name = NULL;
	sb_error error;
	sb_buf text;
	int rc;

	sb_error_init(&error);
	sb_buf_init(&text, TEXT_BYTES);
	rc = load(path, &config, &name, &error);
	if (rc == 0)
		rc = sb_config_show(config, &text, &error);
	if (rc == 0 && fwrite(text.data, 1, text.length, out) != text.length)
		rc = sb_error_set(&error, SB_KIND_IO, errno, "write the configuration");
	sb_buf_done(&text);
	sb_config_free(config);
	free(name);
	return rc == 0 ? OK : complain(err, &error);
}

static int write_new(const char *target, const sb_buf *text, FILE *out, FILE *err)
{
	int fd = open(target, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644), rc = FAILED;

	if (fd < 0 && errno == EEXIST) {
		fprintf(err, "scanbridge: %s exists; it is not overwritten\n", target);
	} else if (fd < 0 || sb_write_all(fd, text->data, text->length) != 0) {
		fprintf(err, "scanbridge: write %s: %s\n", target, strerror(errno));
	} else {
		fprintf(out, "%s: written\n", target);
		rc = OK;
	}
	sb_close(&fd);
	return rc;
}

int sb_config_cmd_init(const char *target, FILE *out, FILE *err)
{
	sb_buf text;
	int rc;

	sb_buf_init(&text, TEXT_BYTES);
	sb_config_starter(&text);
	if (text.failed)
		rc = FAILED;
	else if (target != NULL)
		rc = write_new(target, &text, out, err);
	else
		rc = fwrite(text.data, 1, text.length, out) == text.length ? OK : FAILED;
	sb_buf_done(&text);
	return rc;
}
