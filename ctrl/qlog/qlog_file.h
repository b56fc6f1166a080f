/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A file of JSON text sequences (RFC 7464), bounded in size, written through a buffer: one write()
 * to a regular file for some hundred records. It never overwrites anything, follows no link, and
 * nobody but its owner may read it.
 */
#ifndef INLAY_QLOG_FILE_H
#define INLAY_QLOG_FILE_H

#include <jansson.h>

#include "inlay_types.h"

#define INLAY_QLOG_BUFFER (128 << 10)
/* The most that a packet makes: ACKs alone, of thousand ranges of large numbers. */
#define INLAY_QLOG_RECORD_MAX (60 << 10)

enum inlay_qlog_result {
	INLAY_QLOG_OK,
	INLAY_QLOG_FULL,   /* the record would pass the bound: it was not written */
	INLAY_QLOG_FAILED, /* errno says why; nothing is written from now on */
};

struct inlay_qlog_file {
	int fd;
	__u64 max_bytes, bytes; /* bytes: written or in the buffer */
	size_t used;
	char buffer[INLAY_QLOG_BUFFER];
};

/* In the directory |dirfd|. 0; what open() gives. */
int inlay_qlog_file_open(struct inlay_qlog_file *f, int dirfd, const char *name, __u64 max_bytes);
/* Takes the reference to |record|, which may be NULL for want of memory. |reserve|: bytes to leave
 * for records to come. */
enum inlay_qlog_result inlay_qlog_file_put(struct inlay_qlog_file *f, json_t *record,
					   size_t reserve);
enum inlay_qlog_result inlay_qlog_file_flush(struct inlay_qlog_file *f);
/* Flushes. */
void inlay_qlog_file_close(struct inlay_qlog_file *f);

#endif
