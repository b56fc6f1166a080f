/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The daemon: the control thread's side of everything. Frames come up from the data thread, pass
 * endpoint, established phase, MoQ session and relay, and what these have to send goes down.
 */
#ifndef INLAY_DAEMON_DAEMON_H
#define INLAY_DAEMON_DAEMON_H

#include "config.h"
#include "program.h"

struct inlay_daemon;

/* |dev|: with a throw-away certificate instead of the configured one. NULL: |ret_failure| says why.
 * On success the daemon is ready: packets are received, the control socket answers. */
struct inlay_daemon *inlay_daemon_new(const struct inlay_config *config, bool dev,
				      struct inlay_failure *ret_failure);
/* Until SIGTERM or SIGINT; then closes every connection, and returns. */
void inlay_daemon_run(struct inlay_daemon *d);
/* Zeroes keys. Takes NULL. */
void inlay_daemon_free(struct inlay_daemon *d);

/* Addresses as bound; |i| from 0. NULL: no more. */
const struct inlay_addr *inlay_daemon_listener(const struct inlay_daemon *d, size_t i);
/* Where the throw-away certificate stands as PEM, until the daemon is freed; NULL: none. */
const char *inlay_daemon_dev_certificate(const struct inlay_daemon *d);

#endif
