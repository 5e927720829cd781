/* SPDX-License-Identifier: MIT */
/*
 * `setup clamav`: what is here of ClamAV, what would keep it from working, and a configuration
 * that fits. It asks nothing, installs nothing and changes nothing, but for --write, --import and
 * --roll-back.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/log.h"
#include "cli/open.h"
#include "cli/settings.h"
#include "cli/signatures.h"
#include "config/config.h"
#include "util/clock.h"
#include "util/io.h"
#include "util/text.h"

#define AT(member) offsetof(sb_setup_settings, member)

enum { TEXT = 1 << 20, MEMINFO = 16384 };

static const char shared_folder[] = "/var/lib/clamav";

const sb_option sb_setup_options[] = {
	{"write", 0, SB_OPTION_TEXT, "FILE", AT(write),
		"write the configuration into FILE, which must not exist yet"},
	{"import", 0, SB_OPTION_YES, NULL, AT(import),
		"check the signature files FILE... and put them in place"},
	{"roll-back", 0, SB_OPTION_YES, NULL, AT(roll_back),
		"bring back what the last import replaced"},
	{NULL},
};

/* What was found. */
typedef struct found {
	const char *clamd, *socket, *database; /* NULL: none */
	bool confined;                         /* by AppArmor */
	sb_buf text;
} found;

/* --- Programs and sockets ----------------------------------------------------------------------
 */

static const char *look_for_program(found *f, const char *name)
{
	const char *path = sb_spawn_find(name);
	char *const argv[] = {(char *)(uintptr_t)name, (char *)(uintptr_t) "--version", NULL};
	char said[256] = "";

	if (path != NULL)
		(void)sb_signatures_run(path, argv, -1, NULL, said, sizeof said);
	said[strcspn(said, "\n")] = '\0';
	sb_buf_printf(&f->text, "%-12s%s", name, path != NULL ? path : "not found");
	if (said[0] != '\0') {
		sb_buf_text(&f->text, "  ");
		sb_escape(&f->text, said, strlen(said));
	}
	sb_buf_char(&f->text, '\n');
	return path;
}

/* 0: it answers; else the errno of why not. */
static int try_socket(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), error = 0;

	if (fd < 0)
		return errno;
	memcpy(address.sun_path, path, strlen(path) + 1);
	if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0)
		error = errno;
	sb_close(&fd);
	return error;
}

static void look_for_socket(found *f)
{
	static const char *const places[] = {"/run/clamav/clamd.ctl", "/run/clamav/clamd.sock",
		"/run/clamd.scan/clamd.sock", "/tmp/clamd.socket"};

	for (size_t i = 0; i < sizeof places / sizeof places[0]; i++) {
		int error = try_socket(places[i]);

		if (error == 0 && f->socket == NULL)
			f->socket = places[i];
		if (error != ENOENT)
			sb_buf_printf(&f->text, "%-12s%s  %s\n", "socket", places[i],
				error == 0 ? "accepts connections" : strerror(error));
	}
	if (f->socket == NULL)
		sb_buf_printf(&f->text, "%-12sno clamd of the system answers\n", "socket");
}

/* --- Signatures ------------------------------------------------------------------------------- */

static void put_age(sb_buf *out, int64_t time)
{
	int64_t age = (int64_t)(sb_clock_wall(sb_clock_system()) / 1000000000) - time;

	if (time > 0)
		sb_buf_printf(out, ", %" PRId64 " days old", age > 0 ? age / 86400 : 0);
}

static void put_file(found *f, int folder, const char *name)
{
	static const char *const names[] = {"main", "daily", "bytecode"};
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	char bytes[SB_CVD_HEADER];
	sb_cvd_header header;

	for (size_t i = 0; fd >= 0 && i < sizeof names / sizeof names[0]; i++)
		if (strncmp(name, names[i], strlen(names[i])) == 0 &&
			sb_pread_full(fd, bytes, sizeof bytes, 0) == sizeof bytes &&
			sb_cvd_header_parse(bytes, sizeof bytes, &header)) {
			sb_buf_printf(&f->text, "%-12s  %s version %" PRIu64 " of %s", "", names[i],
				header.version, header.made);
			put_age(&f->text, header.time);
			sb_buf_char(&f->text, '\n');
		}
	sb_close(&fd);
}

static void put_files(found *f, const char *path)
{
	DIR *entries = opendir(path);
	const struct dirent *entry;

	while (entries != NULL && (entry = readdir(entries)) != NULL)
		if (sb_spawn_is_signature(entry->d_name, NULL))
			put_file(f, dirfd(entries), entry->d_name);
	if (entries != NULL)
		closedir(entries);
}

/* Are there signatures in it? */
static bool look_for_signatures(found *f, const char *path)
{
	sb_spawn_database database;
	bool readable = sb_spawn_database_look(path, &database, NULL) == 0;
	char size[32];

	sb_buf_printf(&f->text, "%-12s", "signatures");
	sb_escape(&f->text, path, strlen(path));
	if (!readable)
		sb_buf_printf(&f->text, "  %s\n", strerror(errno));
	else if (database.files == 0)
		sb_buf_text(&f->text, "  none\n");
	else
		sb_buf_printf(&f->text, "  %zu files, %s\n", database.files,
			sb_format_size(size, sizeof size, database.bytes & ~UINT64_C(1023)));
	if (readable && database.files > 0)
		put_files(f, path);
	return readable && database.files > 0;
}

/* --- What may be in the way --------------------------------------------------------------------
 */

static void look_for_apparmor(found *f)
{
	size_t length;
	char *on = sb_read_file("/sys/module/apparmor/parameters/enabled", 16, &length);
	char *loaded = sb_read_file("/sys/kernel/security/apparmor/profiles", TEXT, &length);
	struct stat info;

	if (on == NULL || on[0] != 'Y')
		sb_buf_printf(&f->text, "%-12snot in use\n", "apparmor");
	else if (loaded != NULL)
		f->confined = strstr(loaded, "clamd") != NULL;
	else
		f->confined = stat("/etc/apparmor.d/usr.sbin.clamd", &info) == 0;
	if (on != NULL && on[0] == 'Y')
		sb_buf_printf(&f->text, "%-12s%s\n", "apparmor",
			f->confined ? "confines clamd" : "in use, without a profile for clamd");
	free(on);
	free(loaded);
}

static void look_at_memory(found *f)
{
	size_t length;
	char *text = sb_read_file("/proc/meminfo", MEMINFO, &length), size[32];
	uint64_t available = text != NULL ? sb_spawn_available(text) : 0;

	free(text);
	sb_buf_printf(&f->text,
		"%-12s%s available; clamd takes about 1.2 GiB, and twice that while it loads new "
		"signatures beside the old ones\n",
		"memory",
		sb_format_size(size, sizeof size, available & ~((UINT64_C(1) << 20) - 1)));
}

static void look_at_engines(found *f, const sb_conf *conf)
{
	size_t count = 0;

	for (size_t i = 0; i < conf->engine_count; i++)
		if (strcmp(conf->engines[i].ops->name, "clamd") == 0) {
			sb_buf_printf(&f->text, "%-12sengine %s is one of type clamd\n",
				count == 0 ? "configured" : "", conf->engines[i].name);
			count++;
		}
	if (count == 0)
		sb_buf_printf(&f->text, "%-12sno engine of type clamd\n", "configured");
}

/* --- What to do ----------------------------------------------------------------------------- */

/* The folder is opened to clamd, and the profile is made to allow it. */
static void advise_apparmor(const found *f, const sb_conf *conf, sb_buf *out)
{
	if (!f->confined)
		return;
	sb_buf_text(out,
		"\nAppArmor keeps clamd from what a clamd of our own needs, and from files that "
		"are passed to it.\nAs root, put these lines into "
		"/etc/apparmor.d/local/usr.sbin.clamd, then run\n"
		"`apparmor_parser -r /etc/apparmor.d/usr.sbin.clamd`:\n\n");
	sb_buf_printf(out,
		"  %s/clamav/** rwk,\n  /dev/shm/scanbridge-clamd.** rwk,\n"
		"  /dev/shm/scanbridge-clamd.*/ rw,\n  /memfd:scanbridge* r,\n  /** r,\n",
		conf->data_dir);
	sb_buf_printf(out,
		"\nFor freshclam likewise in /etc/apparmor.d/local/usr.bin.freshclam:\n\n"
		"  %s/clamav/** rwk,\n",
		conf->data_dir);
}

static void write_config(const found *f, bool own, sb_buf *out)
{
	sb_buf_text(out, "engines:\n  - {name: yara, type: yara}\n  - name: clamav\n    type: "
			 "clamd\n");
	if (f->socket != NULL)
		sb_buf_printf(out,
			"    address: \"unix:%s\"\n"
			"    # `scanbridge engines --check` tells which lines of its clamd.conf to "
			"change.\n",
			f->socket);
	else if (own || f->database == NULL)
		sb_buf_text(out, "    spawn: {}    # signatures in the data directory, kept "
				 "current with freshclam\n");
	else
		sb_buf_printf(out,
			"    spawn:\n      database: %s    # kept current by the system's "
			"freshclam\n",
			f->database);
}

static int finish(found *f, const sb_setup_settings *settings, sb_buf *config)
{
	int status = f->clamd != NULL || f->socket != NULL ? SB_EXIT_OK : SB_EXIT_FOUND;

	if (status != SB_EXIT_OK)
		sb_buf_text(&f->text, "\nClamAV is not installed. On Debian and Ubuntu: apt-get "
				      "install clamav-daemon clamav-freshclam\n");
	else
		sb_buf_printf(&f->text, "\nA configuration that fits%s:\n\n%s",
			settings->write != NULL ? " (written)" : "",
			config->data != NULL ? config->data : "");
	if (status == SB_EXIT_OK && settings->write != NULL)
		status = sb_cli_write_new(settings->write, config);
	if (fwrite(f->text.data != NULL ? f->text.data : "", 1, f->text.length, stdout) !=
		f->text.length)
		status = SB_EXIT_FAILED;
	return sb_cli_flushed(status);
}

static int report(const sb_conf *conf, const sb_setup_settings *settings)
{
	found f = {0};
	char *own = NULL;
	sb_buf config;
	bool mine;
	int status;

	sb_buf_init(&f.text, TEXT);
	sb_buf_init(&config, TEXT);
	f.clamd = look_for_program(&f, "clamd");
	(void)look_for_program(&f, "freshclam");
	(void)look_for_program(&f, "sigtool");
	look_for_socket(&f);
	if (look_for_signatures(&f, shared_folder))
		f.database = shared_folder;
	mine = asprintf(&own, "%s/clamav/db", conf->data_dir) >= 0 && look_for_signatures(&f, own);
	look_for_apparmor(&f);
	look_at_memory(&f);
	look_at_engines(&f, conf);
	advise_apparmor(&f, conf, &f.text);
	write_config(&f, mine, &config);
	status = finish(&f, settings, &config);
	free(own);
	sb_buf_done(&config);
	sb_buf_done(&f.text);
	return status;
}

/* --- Import ----------------------------------------------------------------------------------- */

static int change(
	const sb_conf *conf, const sb_setup_settings *settings, char **words, size_t count)
{
	sb_signatures signatures;
	sb_error error;
	sb_buf told;
	int status;

	sb_error_init(&error);
	sb_buf_init(&told, TEXT);
	status = sb_signatures_open(&signatures, conf->data_dir, NULL, &error);
	if (status == 0) {
		status = settings->import != 0
				 ? sb_signatures_import(&signatures, words, count, &told, &error)
				 : sb_signatures_roll_back(&signatures, &told, &error);
		sb_signatures_close(&signatures);
	}
	if (status == 0 && told.data != NULL)
		printf("%s", told.data);
	sb_buf_done(&told);
	if (status == 0)
		return sb_cli_flushed(SB_EXIT_OK);
	sb_log_error(&error);
	return sb_kind_class((sb_kind)-status) == SB_CLASS_CONTENT ||
			       status == -(int)SB_KIND_FILE_NOT_FOUND
		       ? SB_EXIT_FOUND
		       : SB_EXIT_FAILED;
}

static bool words_fit(const sb_setup_settings *settings, size_t count)
{
	int ways = (settings->import != 0) + (settings->roll_back != 0) + (settings->write != NULL);

	if (ways <= 1 && (settings->import != 0) == (count > 0))
		return true;
	sb_log(SB_LOG_ERROR,
		ways > 1 ? "setup clamav: --write, --import and --roll-back exclude each other"
		: settings->import != 0 ? "setup clamav: --import needs the files to bring in"
					: "setup clamav: files are only for --import");
	return false;
}

int sb_cmd_setup_clamav(const sb_globals *globals, const void *data, char **words, size_t count)
{
	const sb_setup_settings *settings = data;
	sb_config *config;
	sb_conf *conf;
	int status = SB_EXIT_FAILED;

	if (!words_fit(settings, count))
		return status;
	config = sb_cli_config(globals);
	conf = config != NULL ? sb_cli_conf(config) : NULL;
	if (conf != NULL)
		status = settings->import != 0 || settings->roll_back != 0
				 ? change(conf, settings, words, count)
				 : report(conf, settings);
	sb_conf_free(conf);
	sb_config_free(config);
	return status;
}
