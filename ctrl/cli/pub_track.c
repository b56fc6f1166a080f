/* SPDX-License-Identifier: BSD-2-Clause */
/* Opening what a track is made of. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pub_track.h"

#define RENDITION_KEY_RATIO 6 /* as encoders have it */

static void on_sent(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	struct inlay_pub_track *t = user;

	inlay_client_hash(t->hashes, group, object, data, len);
}

static int open_input(struct inlay_pub_track *t)
{
	const struct inlay_client *c = t->client;
	struct stat st;

	if (!t->input || !strcmp(t->input, "-")) {
		t->input = "standard input";
		t->fd = STDIN_FILENO;
		if (isatty(t->fd)) {
			inlay_client_say(c, "standard input is a terminal: name a file, or "
					    "pipe ffmpeg into this");
			return INLAY_EXIT_USAGE;
		}
	} else {
		t->fd = open(t->input, O_RDONLY | O_CLOEXEC);
	}
	if (t->fd < 0 || fstat(t->fd, &st)) {
		inlay_client_say(c, "cannot read %s: %s", t->input, strerror(errno));
		return INLAY_EXIT_FAILED;
	}
	if (S_ISDIR(st.st_mode)) {
		inlay_client_say(c, "cannot read %s: %s", t->input, strerror(EISDIR));
		return INLAY_EXIT_FAILED;
	}
	/* Devices such as /dev/null cannot be waited for; they are read like files. */
	t->as_it_comes = S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode) || isatty(t->fd);
	return 0;
}

/* A rendition's synthetic objects: as many as of any other, of such a size that bit rate follows.
 */
static int set_bit_rate(struct inlay_pub_track *t, struct inlay_pub_source_config *s)
{
	double per_group = s->group_seconds * s->rate;
	__u64 bps;

	if (!t->rendition->value)
		return 0;
	if (!inlay_rendition_bit_rate(t->rendition->value, &bps)) {
		inlay_client_say(t->client,
				 "'%s' is no bit rate: with --rate, write TRACK=BITRATE, as 800k",
				 t->rendition->value);
		return INLAY_EXIT_USAGE;
	}
	if (!(s->key_ratio > 0))
		s->key_ratio = RENDITION_KEY_RATIO;
	s->frame_bytes = (size_t)((double)bps / 8 * s->group_seconds /
				  (per_group > 1 ? per_group - 1 + s->key_ratio : s->key_ratio));
	return 0;
}

static char *hashes_path(const struct inlay_pub_track *t, const char *base)
{
	const char *suffix = t->rendition->value ? t->rendition->track : "";
	size_t room = strlen(base) + strlen(suffix) + 2;
	char *path = malloc(room);

	if (path)
		snprintf(path, room, "%s%s%s", base, *suffix ? "." : "", suffix);
	return path;
}

int inlay_pub_track_open(struct inlay_pub_track *t, struct inlay_client *client,
			 const struct inlay_rendition *rendition,
			 const struct inlay_pub_track_config *config)
{
	struct inlay_publisher_config publisher = config->publisher;
	struct inlay_pub_source_config source = config->source;
	int code;

	*t = (struct inlay_pub_track){.client = client, .rendition = rendition, .fd = -1};
	t->input = rendition->value ? rendition->value : config->input;
	code = source.rate > 0 ? set_bit_rate(t, &source) : open_input(t);
	if (code)
		return code;
	if (config->hashes_path) {
		t->hashes_path = hashes_path(t, config->hashes_path);
		t->hashes = t->hashes_path ? inlay_client_open(client, t->hashes_path) : NULL;
		if (!t->hashes)
			return INLAY_EXIT_FAILED;
	}
	source.fd = t->fd;
	source.as_it_comes = t->as_it_comes;
	publisher.name = &rendition->name;
	publisher.on_sent = on_sent;
	publisher.user = t;
	t->publisher = inlay_publisher_new(&publisher);
	t->source = inlay_pub_source_new(&source);
	if (t->publisher && t->source)
		return 0;
	inlay_client_say(client, "no memory");
	return INLAY_EXIT_FAILED;
}

void inlay_pub_track_watch(struct inlay_pub_track *t, void (*on_input)(void *user, int fd))
{
	bool on = on_input != NULL;

	if (t->watching == on || !t->as_it_comes)
		return;
	t->watching = on;
	inlay_driver_watch(t->client->driver, t->fd, on_input);
}

bool inlay_pub_track_close(struct inlay_pub_track *t)
{
	bool good = inlay_client_close(t->client, t->hashes, t->hashes_path);

	t->hashes = NULL;
	return good;
}

void inlay_pub_track_fini(struct inlay_pub_track *t)
{
	inlay_publisher_free(t->publisher);
	inlay_pub_source_free(t->source);
	free(t->hashes_path);
	*t = (struct inlay_pub_track){.fd = -1};
}
