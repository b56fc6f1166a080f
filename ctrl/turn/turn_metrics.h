/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Counts for Prometheus: GET /metrics on an address of loopback, in the text format 0.0.4. Within
 * the daemon's loop; a request costs less than a millisecond, and few are served at one time.
 */
#ifndef INLAY_TURN_METRICS_H
#define INLAY_TURN_METRICS_H

#include "loop.h"

struct inlay_turn_daemon;
struct inlay_turn_metrics;

/* Listens in the namespace of the caller. 0; -errno. */
int inlay_turn_metrics_listen(const struct inlay_addr *addr, int *ret_fd);
/* Takes over |fd|. -ENOMEM; -EIO: libmicrohttpd does not start. */
int inlay_turn_metrics_new(struct inlay_loop *loop, int fd, const struct inlay_turn_daemon *d,
			   struct inlay_turn_metrics **ret_metrics);
/* Takes NULL. */
void inlay_turn_metrics_free(struct inlay_turn_metrics *metrics);
/* Connections that have run out of time. Returns when it wants to be called next. */
inlay_ns inlay_turn_metrics_turn(struct inlay_turn_metrics *metrics, inlay_ns now);

/* The text, to be freed; NULL: no memory. */
char *inlay_turn_metrics_text(const struct inlay_turn_daemon *d);

#endif
