/* SPDX-License-Identifier: MIT */
/* `config check`, `config show`, `config init`. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/log.h"
#include "cli/open.h"
#include "config/config.h"
#include "util/io.h"

enum { MAX_TEXT = 4 * 1024 * 1024 };

static int print(sb_buf *text, int status)
{
	if (text->failed) {
		sb_log(SB_LOG_ERROR, "out of memory");
		status = SB_EXIT_FAILED;
	} else if (text->length > 0) {
		fwrite(text->data, 1, text->length, stdout);
	}
	sb_buf_done(text);
	return sb_cli_flushed(status);
}

/* A file that can't be read is another thing than one that is wrong. */
static int failed(const sb_error *error)
{
	sb_log_error(error);
	return sb_error_kind(error) == SB_KIND_NOT_CONFIGURED ? SB_EXIT_FOUND : SB_EXIT_FAILED;
}

static int check(const sb_globals *globals, const char *path)
{
	sb_config *config = sb_config_new();
	sb_conf *conf = NULL;
	sb_error error;
	int status;

	sb_error_init(&error);
	status = config != NULL ? 0 : sb_error_no_memory(&error);
	if (status == 0 && path != NULL)
		status = sb_config_load_file(config, path, &error);
	if (status == 0 && globals->data_dir != NULL)
		status = sb_config_set_text(config, "data_dir", globals->data_dir, &error);
	if (status == 0)
		status = sb_conf_build(&conf, config, &error);
	if (status == 0) {
		for (size_t i = 0; i < conf->notice_count; i++)
			printf("note: %s\n", conf->notices[i]);
		printf("%s: fine, %zu %s\n", path != NULL ? path : "built-in defaults",
			conf->engine_count, conf->engine_count == 1 ? "engine" : "engines");
	}
	sb_conf_free(conf);
	sb_config_free(config);
	return sb_cli_flushed(status == 0 ? SB_EXIT_OK : failed(&error));
}

int sb_cmd_config_check(const sb_globals *globals, const void *options, char **words, size_t count)
{
	char *path = sb_config_find(count > 0 ? words[0] : globals->config);
	int status = check(globals, path);

	(void)options;
	free(path);
	return status;
}

int sb_cmd_config_show(const sb_globals *globals, const void *options, char **words, size_t count)
{
	sb_config *config = sb_cli_config(globals);
	sb_error error;
	sb_buf text;
	int status = SB_EXIT_OK;

	(void)options;
	(void)words;
	(void)count;
	if (config == NULL)
		return SB_EXIT_FAILED;
	sb_error_init(&error);
	sb_buf_init(&text, MAX_TEXT);
	if (sb_config_show(config, &text, &error) < 0) {
		sb_log_error(&error);
		sb_buf_clear(&text);
		status = SB_EXIT_FAILED;
	}
	sb_config_free(config);
	return print(&text, status);
}

int sb_cli_write_new(const char *path, const sb_buf *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);

	if (fd < 0) {
		sb_log(SB_LOG_ERROR, "%.512s: %s", path, strerror(errno));
		return errno == EEXIST ? SB_EXIT_FOUND : SB_EXIT_FAILED;
	}
	if (sb_write_all(fd, text->data, text->length) != 0 || fsync(fd) != 0) {
		sb_log(SB_LOG_ERROR, "%.512s: %s; what is there is not whole", path,
			strerror(errno));
		sb_close(&fd);
		return SB_EXIT_FAILED;
	}
	sb_close(&fd);
	return SB_EXIT_OK;
}

int sb_cmd_config_init(const sb_globals *globals, const void *options, char **words, size_t count)
{
	sb_buf text;
	int status;

	(void)globals;
	(void)options;
	sb_buf_init(&text, MAX_TEXT);
	sb_config_starter(&text);
	if (count == 0)
		return print(&text, SB_EXIT_OK);
	if (text.failed) {
		sb_log(SB_LOG_ERROR, "out of memory");
		status = SB_EXIT_FAILED;
	} else {
		status = sb_cli_write_new(words[0], &text);
	}
	sb_buf_done(&text);
	return status;
}
