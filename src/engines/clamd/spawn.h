/* SPDX-License-Identifier: MIT */
/*
 * A clamd of our own: configured so that its limits are the engine's, started, watched, started
 * again, told of new signatures, and gone with us.
 *
 *   spawn.c           the thread that does all of it
 *   spawn_visit.c     what a scan sees of it
 *   spawn_clamd.c     clamd itself: start, first answer, new signatures, end
 *   spawn_update.c    freshclam, at intervals
 *   spawn_share.c     one clamd for all processes of a data directory: the lock and its record
 *   spawn_restart.c   when to try again: pure
 *   spawn_conf.c      what clamd.conf and freshclam.conf say: pure
 *   spawn_place.c     programs, users, folders
 *   spawn_temporary.c where clamd unpacks
 *   spawn_database.c  the folder of signatures: a digest of what is in it, and a watch on it
 *   spawn_log.c       what the programs say: into a file of bounded size
 *
 * The clamd belongs to the process that holds the lock of its folder. The others use its socket,
 * read from the lock file how it is, and take over when the holder is gone.
 */
#ifndef SB_ENGINES_CLAMD_SPAWN_H
#define SB_ENGINES_CLAMD_SPAWN_H

#include <scanbridge/sys/engine.h>

#include "engines/clamd/clamd.h"
#include "util/buf.h"
#include "util/child.h"

typedef enum sb_spawn_update {
	SB_SPAWN_AUTO = 0, /* freshclam for our own folder, follow for another */
	SB_SPAWN_FRESHCLAM,
	SB_SPAWN_FOLLOW,
	SB_SPAWN_OFF,
} sb_spawn_update;

/* The section `spawn`. */
typedef struct sb_spawn_settings {
	bool given;
	const char *program, *freshclam, *database, *temporary, *user;
	int update;
	uint64_t interval_ms, start_timeout_ms;
} sb_spawn_settings;

/* --- spawn_conf.c -------------------------------------------------------------------------- */

/* More than this in one file is nothing that clamd looks at: so all together must not be more. */
#define SB_SPAWN_MAX_FILE (2000ull << 20)
#define SB_SPAWN_MAX_SCAN SB_SPAWN_MAX_FILE

typedef struct sb_spawn_limits {
	uint64_t max_file, max_scan; /* bytes */
	uint64_t max_scan_ms;        /* 0: none */
	uint64_t max_members;
	unsigned max_recursion, threads;
} sb_spawn_limits;

/* What the engine's limits mean for clamd. */
void sb_spawn_limits_of(const sb_environment *environment, sb_spawn_limits *out);
/* Bytes that all its scans together may put into the temporary folder. */
uint64_t sb_spawn_temporary_need(const sb_spawn_limits *limits);
/* All that a verdict may depend on: what two processes must agree on to share one. */
void sb_spawn_judging(sb_buf *out, const sb_spawn_limits *limits, const char *program,
	const char *database, const char *user);
/* @p concurrent_reload: there is memory for the old and the new signatures at the same time. */
void sb_spawn_clamd_conf(sb_buf *out, const sb_spawn_limits *limits, const char *database,
	const char *temporary, bool concurrent_reload);
/* It runs in the folder that it fills. */
void sb_spawn_freshclam_conf(sb_buf *out, bool test_databases);
/* May be written into a configuration of ClamAV: no line break, no comment, bounded. */
bool sb_spawn_path_ok(const char *path);
/* `MemAvailable` of /proc/meminfo's text, in bytes; 0: not told. */
uint64_t sb_spawn_available(const char *meminfo);
/* Bytes of memory that signatures of so many bytes on disk take. */
uint64_t sb_spawn_loaded_size(uint64_t on_disk);

/* --- spawn_restart.c ------------------------------------------------------------------------ */

/* Zeroed: start at once. Times in ns. */
typedef struct sb_restart {
	unsigned failures;  /* in a row */
	unsigned stillborn; /* of them, those at the end that never came up */
	uint64_t due;       /* not before */
	uint64_t up_since;  /* 0: it isn't */
} sb_restart;

void sb_restart_up(sb_restart *restart, uint64_t now);
void sb_restart_ended(sb_restart *restart, uint64_t now);
/* It has failed to come up so often that nobody should wait for it. */
bool sb_restart_hopeless(const sb_restart *restart);

/* --- spawn_share.c --------------------------------------------------------------------------- */

typedef enum sb_spawn_phase {
	SB_SPAWN_STARTING = 0, /* wait for it */
	SB_SPAWN_UP,
	SB_SPAWN_DOWN, /* it doesn't come up: `message` */
} sb_spawn_phase;

/* How the clamd is, for everybody who uses it. */
typedef struct sb_spawn_record {
	sb_spawn_phase phase;
	char engine[64], signatures[128];
	int64_t time; /* of the signatures */
	char message[512];
	uint64_t doubts;     /* how often it was heard to fail at unpacking */
	char temporary[200]; /* where it unpacks, as it was told; "": nobody knows */
} sb_spawn_record;

enum { SB_SPAWN_RECORD = 1024 };
/* As text that fills exactly SB_SPAWN_RECORD bytes, and back; false: it is none. */
void sb_spawn_record_write(char out[SB_SPAWN_RECORD], const sb_spawn_record *record);
bool sb_spawn_record_read(const char text[SB_SPAWN_RECORD], sb_spawn_record *out);

/* --- spawn_place.c, spawn_temporary.c -------------------------------------------------------- */

typedef struct sb_spawn_user {
	bool other; /* we are root, and it shall be another one */
	uid_t uid;
	gid_t gid;
} sb_spawn_user;

typedef struct sb_spawn_place {
	char *program, *freshclam; /* absolute; NULL: none, or not needed */
	char *folder;              /* data_dir/clamav/NAME.DIGEST, for messages */
	char *database;            /* absolute, for messages and for us */
	char *database_for_clamd;  /* as it stands in clamd.conf: relative when it is ours */
	bool own_database;
	sb_spawn_user user;
	int folder_fd, socket_fd, database_fd; /* O_PATH or read; -1 */
	int lock_fd;
	char tag[17]; /* of what they must agree on */
} sb_spawn_place;

/* Find and make all that is needed. */
int sb_spawn_place_open(sb_spawn_place *place, const sb_spawn_settings *settings,
	const sb_environment *environment, const sb_spawn_limits *limits, sb_error *error);
void sb_spawn_place_close(sb_spawn_place *place);
/* A new temporary folder, to be freed: where `temporary` says, else in memory where there is room
 * for @p need bytes, else beside the socket. What dead ones left there is removed. */
char *sb_spawn_temporary(
	const sb_spawn_place *place, const char *wanted, uint64_t need, sb_error *error);
/* Bytes of the path to make it in: with the folder's own name it has to fit a record, or those who
 * share clamd could not know whether there is room. */
enum { SB_SPAWN_TEMPORARY_BASE = 120 };
/* Could @p wanted be used? */
int sb_spawn_temporary_check(const char *wanted, uint64_t need, sb_error *error);
/* Bytes that are free there: 0 when it is gone, UINT64_MAX for "". */
uint64_t sb_spawn_temporary_room(const sb_spawn_place *place, const char *path);
/* Is it still there, and whose it was? */
bool sb_spawn_temporary_there(const sb_spawn_place *place, const char *path);
/* Remove it with all that is in it, and free its name; NULL is fine. */
void sb_spawn_temporary_drop(const sb_spawn_place *place, char *path);
/* Write a file into the place's folder, in place of what is there. */
int sb_spawn_write(
	const sb_spawn_place *place, const char *name, const sb_buf *text, sb_error *error);
/* Our own folder of signatures below a data directory, made if missing, for whoever clamd runs as
 * (@p user: the setting): a descriptor or -kind. */
int sb_spawn_own_database(
	const char *data_dir, const char *user, sb_spawn_user *owner, sb_error *error);
/* The first of the usual places that holds `clamd`, `freshclam` or `sigtool`; NULL: none. */
const char *sb_spawn_find(const char *name);

/* --- spawn_database.c ------------------------------------------------------------------------ */

typedef struct sb_spawn_database {
	size_t files;   /* with signatures that find something */
	uint64_t bytes; /* of these and all others that are loaded */
	char tag[17];   /* changes whenever one of them does */
} sb_spawn_database;

/* 0 or -kind. */
int sb_spawn_database_look(const char *folder, sb_spawn_database *out, sb_error *error);
/* The name of a file that clamd loads; @p detects: whose signatures find
 * something; may be NULL. */
bool sb_spawn_is_signature(const char *name, bool *detects);

/* --- spawn_log.c --------------------------------------------------------------------------- */

enum { SB_SPAWN_LOG_BYTES = 256 * 1024, SB_SPAWN_LINE = 256 };

typedef struct sb_spawn_log {
	int folder; /* not ours */
	int fd;
	uint64_t written;
	bool muted;               /* keep the last words, and write nothing */
	char last[SB_SPAWN_LINE]; /* the last error, or else the last line */
	bool last_is_error;
} sb_spawn_log;

/* What came out of a program, cut into lines. */
typedef struct sb_spawn_lines {
	int fd;
	char line[SB_SPAWN_LINE];
	size_t length;
	uint64_t bytes; /* so far */
} sb_spawn_lines;

/* ClamAV says that something of its own failed that its verdict does not tell of: with a temporary
 * folder that is full or gone, whatever it could not unpack is OK. */
bool sb_spawn_is_doubt(const char *line);
void sb_spawn_log_open(sb_spawn_log *log, int folder);
void sb_spawn_log_close(sb_spawn_log *log);
void sb_spawn_log_line(sb_spawn_log *log, const char *who, const char *line);
/* Read what there is, without waiting, and hand on whole lines; false at its end. */
bool sb_spawn_lines_read(
	sb_spawn_lines *lines, void (*each)(void *data, const char *line), void *data);

/* --- spawn.c --------------------------------------------------------------------------------- */

typedef struct sb_spawn sb_spawn;

/* Checks and makes all that is needed and starts the thread, which starts clamd. */
int sb_spawn_open(sb_spawn **out, const sb_spawn_settings *settings,
	const sb_environment *environment, sb_error *error);
/* Ends it all. NULL is fine. */
void sb_spawn_close(sb_spawn *spawn);
/* `unix:…`, to connect to and for people; both live as long as it does. */
const char *sb_spawn_address(const sb_spawn *spawn);
const char *sb_spawn_name(const sb_spawn *spawn);
/* Wait until it is up: 0 and how it is; -engine_unavailable, with the reason, when it isn't
 * before the time is over or nobody should wait for it; -cancelled. */
int sb_spawn_await(sb_spawn *spawn, const sb_net_wait *wait, sb_spawn_record *out, sb_error *error);

/*
 * A scan inside. When clamd ends, whoever was inside may have been why; the next ones go in one by
 * one for a while, so that it shows who it was, and one hostile file takes no other with it.
 */
typedef struct sb_spawn_visit {
	unsigned ends;
	bool alone;
	uint64_t doubts;
	bool cramped; /* there was no room to unpack it */
	/* set by whoever was inside, before it leaves */
	bool broken;    /* the connection broke, which may have been clamd's end */
	bool delivered; /* clamd got some of the content: it may be why */
	bool clean;     /* it was called clean */
	uint64_t size;  /* of the content */
} sb_spawn_visit;

typedef enum sb_spawn_end {
	SB_SPAWN_LIVES = 0,
	SB_SPAWN_ENDED,   /* while others were inside as well */
	SB_SPAWN_DIED_OF, /* nobody else was */
	SB_SPAWN_DOUBTED, /* its clean is none: it was heard to fail meanwhile */
} sb_spawn_end;

/* Waits like sb_spawn_await(), and for its turn. After 0 sb_spawn_leave() is due. */
int sb_spawn_enter(sb_spawn *spawn, uint64_t size, const sb_net_wait *wait, sb_spawn_visit *visit,
	sb_spawn_record *out, sb_error *error);
/* Where the connection broke, this waits a moment for the news; where it was clean, for all that
 * clamd had to say up to then, at most as long as @p wait. @p how: what became of clamd. */
sb_spawn_end sb_spawn_leave(sb_spawn *spawn, const sb_spawn_visit *visit, const sb_net_wait *wait,
	char *how, size_t room);

#endif
