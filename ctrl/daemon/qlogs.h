/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The logs that inlayd writes of its connections (ctrl/qlog/): of all of them, or of those that
 * inlayctl names. How many are open at once is bounded: each holds a descriptor and a buffer.
 */
#ifndef INLAY_DAEMON_QLOGS_H
#define INLAY_DAEMON_QLOGS_H

#include "config.h"
#include "endpoint.h"
#include "qlog.h"

struct inlay_qlogs {
	int dirfd; /* -1: no directory is configured */
	bool all;
	__u64 max_bytes;
	__u32 max_files, n_open;
	bool told_full;
};

/* 0; why files cannot be made in the configured directory. To be ended in any case. */
int inlay_qlogs_init(struct inlay_qlogs *q, const struct inlay_config *config);
/* Once the endpoint is freed. */
void inlay_qlogs_fini(struct inlay_qlogs *q);

/* An established connection. 0, and |ret_file| is its name in the directory; -ENOTSUP: there is
 * none; -EALREADY: it is being logged; -EMFILE: max_files; what open() gives. */
int inlay_qlogs_start(struct inlay_qlogs *q, struct inlay_ep_conn *c, inlay_ns now,
		      char ret_file[INLAY_QLOG_NAME]);
/* 0; -EALREADY: it is not being logged. */
int inlay_qlogs_stop(struct inlay_ep_conn *c, inlay_ns now);
/* A connection is established: is it to be logged anyway? */
void inlay_qlogs_on_connection(struct inlay_qlogs *q, struct inlay_ep_conn *c, inlay_ns now);

#endif
