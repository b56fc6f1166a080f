/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What inlay-pub and inlay-sub have in common: where to connect and how far to trust, the
 * connection with its session, the loop, and telling a person what went wrong.
 */
#ifndef INLAY_CLI_CLIENT_H
#define INLAY_CLI_CLIENT_H

#include <getopt.h>
#include <stdio.h>

#include "link.h"
#include "driver.h"
#include "rendition.h"
#include "uri.h"

enum {
	INLAY_EXIT_DONE = 0,
	INLAY_EXIT_FAILED = 1,
	INLAY_EXIT_USAGE = 2,
};

#define INLAY_CLIENT_RENDITIONS 8

struct inlay_client_ops {
	const struct inlay_moq_session_ops *session;
	void (*set_session)(void *user, struct inlay_moq_session *s);
	void (*on_round)(void *user, inlay_ns now);
	inlay_ns (*deadline)(void *user);
	void (*on_interrupt)(void *user);
};

struct inlay_client {
	const char *program;
	const struct inlay_client_ops *ops;
	void *session_user; /* of the session's ops, and of set_session() */
	void *user;	    /* of the others */

	const char *ca, *uri_text, *track_text;
	bool insecure;
	struct inlay_transport_params params; /* ours; zero fields: the peer's defaults */

	struct inlay_uri uri;
	/* The tracks: --track's, without a value, or each --rendition's. */
	struct inlay_rendition renditions[INLAY_CLIENT_RENDITIONS];
	unsigned int n_renditions;
	struct inlay_driver *driver;
	struct inlay_link link;
	bool connected; /* the handshake was complete at some time */
};

/* Options of both programs, for getopt_long(); values above 255. */
enum {
	INLAY_OPT_CA = 0x1000,
	INLAY_OPT_INSECURE,
	INLAY_OPT_TRACK,
	INLAY_OPT_RENDITION,
	INLAY_OPT_HELP,
	INLAY_OPT_VERSION,
};
#define INLAY_CLIENT_OPTIONS                                                                       \
	{"ca", required_argument, NULL, INLAY_OPT_CA},                                             \
		{"insecure", no_argument, NULL, INLAY_OPT_INSECURE},                               \
		{"track", required_argument, NULL, INLAY_OPT_TRACK},                               \
		{"rendition", required_argument, NULL, INLAY_OPT_RENDITION},                       \
		{"help", no_argument, NULL, INLAY_OPT_HELP},                                       \
	{                                                                                          \
		"version", no_argument, NULL, INLAY_OPT_VERSION                                    \
	}
#define INLAY_CLIENT_USAGE                                                                         \
	"  --track NAME       the track, NAMESPACE--NAME, as demo-clock--video\n"                  \
	"  --ca FILE          trust the certificates in this PEM file; default: the system's\n"    \
	"  --insecure         take any certificate\n"                                              \
	"  --help, --version\n"

/* True: |option| was one of the common ones; -1 left in |*ret_exit|, or the code to exit with. */
bool inlay_client_option(struct inlay_client *c, int option, const char *arg, const char *usage,
			 int *ret_exit);
/* |word| is what getopt_long(), silenced by a leading colon, stumbled over with |option|. */
int inlay_client_refuse_option(const struct inlay_client *c, int option, const char *word);
/* A number from |min| to |max|. False, and a message: it is not. */
bool inlay_client_number(struct inlay_client *c, const char *option, const char *arg, double min,
			 double max, double *ret);
/* Checks URI and tracks; 0 or an exit code, with a message. */
int inlay_client_prepare(struct inlay_client *c);
/* Connects and runs until the session has ended. 0 or an exit code, with a message. */
int inlay_client_run(struct inlay_client *c);
/* Takes a zeroed one. */
void inlay_client_fini(struct inlay_client *c);
/* One line on stderr, with the program's name before it. */
void inlay_client_say(const struct inlay_client *c, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* A file for writing; "-" is standard output. NULL, and a message. */
FILE *inlay_client_open(const struct inlay_client *c, const char *path);
/* False, and a message: not all was written. Takes NULL. */
bool inlay_client_close(const struct inlay_client *c, FILE *file, const char *path);
/* One line a frame: group, object, bytes, SHA-256. Takes NULL for |file|. */
void inlay_client_hash(FILE *file, __u64 group, __u64 object, const __u8 *data, size_t len);

#endif
