/* SPDX-License-Identifier: MIT */
/*
 * One run of libarchive over bytes in memory, with formats and filters that are named: some of
 * libarchive's filters start programs, and one of its formats reads files.
 */
#ifndef SB_CONTAINERS_ARCHIVE_RUN_H
#define SB_CONTAINERS_ARCHIVE_RUN_H

#include "containers/reader.h"

struct archive;
typedef int (*sb_archive_support)(struct archive *archive);

enum { SB_ARCHIVE_HEAD = 512 };

typedef struct sb_archive_run {
	sb_walk *walk;
	const sb_level *level;
	sb_likeness likeness;
	const uint8_t *data; /* of the level: what libarchive is shown */
	size_t size;
	sb_archive_support formats[3]; /* NULL ends */
	int filter;                    /* ARCHIVE_FILTER_…; 0: none */
	const char *options;           /* of the format; or NULL */
	bool fresh;                    /* only members whose bytes nobody has claimed yet */
	const char *name;              /* of the only member, when it has none */
	bool seekable;                 /* behind a damaged member go on by opening once more */
	bool skips; /* the rest of a member costs nothing: go on behind one too large */
	/* Stop before a member gets too large when it is an archive that can be read as it
	 * comes out of the filter. */
	bool may_stream;

	/* What became of it. */
	uint64_t entries; /* headers that were read */
	uint64_t end;     /* position behind what was read */
	bool found;       /* a member was handed over */
	bool failed;      /* something could not be read */
	bool broken;      /* and what comes behind it neither */
	uint64_t hidden;  /* entries that are no files, but are said to have bytes */
	bool stream;      /* stopped for may_stream */
	uint8_t head[SB_ARCHIVE_HEAD];
} sb_archive_run;

/* 0, or negative when the walk must stop. Problems are reported. */
int sb_archive_read(sb_archive_run *run);

#endif
