/* SPDX-License-Identifier: BSD-2-Clause */
/* One of inlay-pub's tracks: its input or synthetic load, its publisher, its record of what was
 * sent. */
#ifndef INLAY_CLI_PUB_TRACK_H
#define INLAY_CLI_PUB_TRACK_H

#include "client.h"
#include "pub_source.h"
#include "publisher.h"

struct inlay_pub_track_config {
	struct inlay_publisher_config publisher; /* name, on_sent, user are filled in */
	struct inlay_pub_source_config source;	 /* fd, as_it_comes are filled in */
	const char *input;			 /* NULL, "-": standard input */
	const char *hashes_path;		 /* NULL: no record */
};

struct inlay_pub_track {
	struct inlay_client *client;
	const struct inlay_rendition *rendition;
	struct inlay_publisher *publisher;
	struct inlay_pub_source *source;
	const char *input;		  /* for messages */
	int fd;				  /* of the input; -1: none */
	bool as_it_comes, watching, done; /* |done|: its input has ended */
	char *hashes_path;
	FILE *hashes;
};

/* |rendition| is kept; its value, if it has one, is the input, or with a source's rate the bit
 * rate. 0 or an exit code, with a message; inlay_pub_track_fini() after either. */
int inlay_pub_track_open(struct inlay_pub_track *t, struct inlay_client *client,
			 const struct inlay_rendition *rendition,
			 const struct inlay_pub_track_config *config);
/* Has its input watched, or not: |on_input| as of inlay_driver_watch(). */
void inlay_pub_track_watch(struct inlay_pub_track *t, void (*on_input)(void *user, int fd));
/* Closes the record. False, and a message: not all of it was written. */
bool inlay_pub_track_close(struct inlay_pub_track *t);
/* After its session. Takes a zeroed one. */
void inlay_pub_track_fini(struct inlay_pub_track *t);

#endif
