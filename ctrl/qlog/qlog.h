/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A qlog of one connection (draft-ietf-quic-qlog-main-schema, -quic-events), on request: the
 * observer of a struct inlay_conn that writes a file of JSON text sequences.
 *
 * Invariants: no secret goes in: no keys, no tokens, no payload (qlog_frames.h). The file is
 * bounded, and says in its last record if it was cut. Trouble with the file ends the log, never
 * the connection.
 */
#ifndef INLAY_QLOG_H
#define INLAY_QLOG_H

#include "conn.h"

#define INLAY_QLOG_NAME 96

struct inlay_qlog_config {
	int dirfd;	  /* where files are made */
	__u64 max_bytes;  /* of one file */
	const char *name; /* of the program, for the vantage point */
	__u64 number;	  /* of the connection, for the file's name */
	enum inlay_role role;
	/* Once, if writing fails. May be NULL. */
	void (*on_error)(void *user, const char *file, int err);
	/* Once, when the log has ended, whyever: a full or failed file ends it too. May be NULL. */
	void (*on_end)(void *user);
	void *user;
};

/*
 * Begins a log of |c|, which ends with the connection or by inlay_conn_set_trace(c, NULL, ...).
 * |ret_file|: its name in the directory. 0; -EALREADY: it is being observed; -ENOMEM; what open()
 * gives.
 */
int inlay_qlog_start(const struct inlay_qlog_config *config, struct inlay_conn *c, inlay_ns now,
		     char ret_file[INLAY_QLOG_NAME]);

#endif
