/* SPDX-License-Identifier: BSD-2-Clause */
/* inlay-pub: publishes fragmented MP4, or synthetic load, to a MoQ relay. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "pub_track.h"

/* No more than this waits for acknowledgement: a relay that is slow stops the source, not the
 * memory. */
#define BACKLOG	       (8 << 20)
#define LINGER	       (10 * INLAY_S) /* for the last bytes to be acknowledged */
#define RETRY_PAUSE    (5 * INLAY_MS)
#define STATUS_TIMEOUT INLAY_S

static const char usage[] =
	"usage: inlay-pub [options] URI --track NAMESPACE--NAME [FILE]\n"
	"       inlay-pub [options] URI --rendition NAMESPACE--NAME=FILE ...\n"
	"\n"
	"Publishes FILE, or standard input, as a track at the relay URI (moqt://host:port/). The\n"
	"input is fragmented MP4, a fragment a frame: ffmpeg ... -f mp4 -movflags\n"
	"empty_moov+default_base_moof+frag_every_frame. A group starts at each key frame.\n"
	"Begins when the relay subscribes for somebody.\n"
	"\n" INLAY_CLIENT_USAGE
	"  --rendition TRACK=FILE  one of several tracks with the same content; their key frames\n"
	"                     must be at the same times. With --rate: TRACK=BITRATE, as 800k\n"
	"  --publish          announce by PUBLISH, not by PUBLISH_NAMESPACE\n"
	"  --wait             hold the first frame until somebody is subscribed (the default)\n"
	"  --no-wait          do not: frames are lost while nobody is\n"
	"  --start-delay-ms N wait so long after the first subscription\n"
	"  --as-fast-as-possible  do not keep to a file's times\n"
	"  --first-group N    number of the first group; default 0. After a restart, take a higher "
	"one\n"
	"  --priority N       publisher priority, 0 (first) to 255; default 128\n"
	"  --datagrams        objects in datagrams, not on streams\n"
	"  --no-timestamps    leave out the time of sending\n"
	"  --seconds N        end after N seconds\n"
	"Synthetic load, in place of input:\n"
	"  --rate N           N objects a second\n"
	"  --object-bytes N   of N bytes each; default 1200\n"
	"  --key-ratio N      a group's first object is N times as large; default 1, of renditions "
	"6\n"
	"  --group-seconds N  groups of N seconds; default 1. Also for input without video\n"
	"Reports:\n"
	"  --json FILE        (or --stats FILE) a summary at the end\n"
	"  --hashes FILE      a line a frame: group object bytes sha256; of renditions, in a file\n"
	"                     each: FILE.TRACK\n";

enum {
	OPT_PUBLISH = 1,
	OPT_WAIT,
	OPT_NO_WAIT,
	OPT_START_DELAY,
	OPT_FAST,
	OPT_FIRST_GROUP,
	OPT_PRIORITY,
	OPT_DATAGRAMS,
	OPT_NO_TIMESTAMPS,
	OPT_SECONDS,
	OPT_RATE,
	OPT_OBJECT_BYTES,
	OPT_GROUP_SECONDS,
	OPT_KEY_RATIO,
	OPT_JSON,
	OPT_HASHES,
	OPT_REAL_TIME,
};

static const struct option options[] = {
	INLAY_CLIENT_OPTIONS,
	{"publish", no_argument, NULL, OPT_PUBLISH},
	{"wait", no_argument, NULL, OPT_WAIT},
	{"no-wait", no_argument, NULL, OPT_NO_WAIT},
	{"start-delay-ms", required_argument, NULL, OPT_START_DELAY},
	{"real-time", no_argument, NULL, OPT_REAL_TIME},
	{"as-fast-as-possible", no_argument, NULL, OPT_FAST},
	{"first-group", required_argument, NULL, OPT_FIRST_GROUP},
	{"priority", required_argument, NULL, OPT_PRIORITY},
	{"datagrams", no_argument, NULL, OPT_DATAGRAMS},
	{"no-timestamps", no_argument, NULL, OPT_NO_TIMESTAMPS},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"rate", required_argument, NULL, OPT_RATE},
	{"object-bytes", required_argument, NULL, OPT_OBJECT_BYTES},
	{"group-seconds", required_argument, NULL, OPT_GROUP_SECONDS},
	{"key-ratio", required_argument, NULL, OPT_KEY_RATIO},
	{"json", required_argument, NULL, OPT_JSON},
	{"stats", required_argument, NULL, OPT_JSON},
	{"hashes", required_argument, NULL, OPT_HASHES},
	{0},
};

struct pub {
	struct inlay_client client;
	struct inlay_pub_track_config config;
	struct inlay_pub_track tracks[INLAY_CLIENT_RENDITIONS];
	unsigned int n;
	const char *json_path;
	FILE *json;
	bool no_wait, started, finishing, said_announced, failed;
	inlay_ns start_delay, start; /* |start|: when the first frame is due */
	inlay_ns wake, give_up;
	inlay_ns ask_until; /* the answer to TRACK_STATUS is waited for; 0: not yet */
};

/* ---- frames ---- */

static void on_input(void *user, int fd)
{
	struct inlay_client *c = user;
	struct pub *pub = c->user;
	unsigned int i;

	for (i = 0; i < pub->n; i++)
		if (pub->tracks[i].fd == fd)
			inlay_pub_source_read(pub->tracks[i].source);
}

static void finish(struct pub *pub, inlay_ns now)
{
	unsigned int i;

	if (pub->finishing)
		return;
	pub->finishing = true;
	for (i = 0; i < pub->n; i++)
		inlay_pub_track_watch(&pub->tracks[i], NULL);
	pub->give_up = now + LINGER;
	pub->wake = now;
}

static void fail(struct pub *pub, const char *what, const char *why, inlay_ns now)
{
	if (!pub->failed)
		inlay_client_say(&pub->client, "%s: %s", what, why);
	pub->failed = true;
	finish(pub, now);
}

static bool has_backlog(const struct pub *pub)
{
	struct inlay_peer_stats stats;

	inlay_peer_stats(pub->client.link.peer, &stats);
	return stats.bytes_unacked > BACKLOG;
}

static void wake_at(struct pub *pub, inlay_ns at)
{
	pub->wake = at < pub->wake ? at : pub->wake;
}

/* Publishes what is due of a track. */
static void publish_track(struct pub *pub, struct inlay_pub_track *t, inlay_ns now)
{
	struct inlay_pub_frame frame;
	int rv;

	while (!t->done) {
		if (has_backlog(pub)) {
			inlay_pub_track_watch(t, NULL);
			wake_at(pub, now + RETRY_PAUSE);
			return;
		}
		rv = inlay_pub_source_peek(t->source, &frame);
		if (rv == -EAGAIN) {
			inlay_pub_track_watch(t, on_input);
			return;
		}
		if (rv) {
			if (rv != -ENODATA)
				fail(pub, t->input, inlay_pub_source_error(t->source), now);
			inlay_pub_track_watch(t, NULL);
			t->done = true;
			return;
		}
		if (pub->start + frame.due > now) {
			wake_at(pub, pub->start + frame.due);
			return;
		}
		rv = inlay_publisher_frame(t->publisher, frame.data, frame.len, frame.starts_group,
					   inlay_driver_now());
		if (rv == -EAGAIN) { /* the relay grants no stream now */
			inlay_pub_track_watch(t, NULL);
			wake_at(pub, now + RETRY_PAUSE);
			return;
		}
		if (rv) {
			fail(pub, "cannot publish", strerror(-rv), now);
			return;
		}
		inlay_pub_source_advance(t->source);
	}
}

static void publish(struct pub *pub, inlay_ns now)
{
	bool done = true;
	unsigned int i;

	pub->wake = INLAY_NEVER;
	for (i = 0; i < pub->n && !pub->failed; i++) {
		publish_track(pub, &pub->tracks[i], now);
		done &= pub->tracks[i].done;
	}
	if (done)
		finish(pub, now);
}

/* Ends the tracks, then the session once all of it is acknowledged. */
static void linger(struct pub *pub, inlay_ns now)
{
	struct inlay_peer_stats stats;
	unsigned int i;

	pub->wake = pub->give_up;
	inlay_peer_stats(pub->client.link.peer, &stats);
	/* PUBLISH_DONE must not overtake a datagram (section 10.10). */
	if (stats.datagram_bytes && now < pub->give_up)
		return;
	for (i = 0; i < pub->n; i++)
		inlay_publisher_finish(pub->tracks[i].publisher,
				       pub->failed ? INLAY_MOQ_DONE_INTERNAL_ERROR
						   : INLAY_MOQ_DONE_TRACK_ENDED);
	inlay_peer_stats(pub->client.link.peer, &stats);
	if (stats.bytes_unacked && now < pub->give_up)
		return;
	if (stats.bytes_unacked)
		inlay_client_say(&pub->client, "the relay has not acknowledged the last %llu bytes",
				 (unsigned long long)stats.bytes_unacked);
	inlay_moq_session_close(pub->client.link.session, INLAY_MOQ_SESSION_NO_ERROR, "done");
	pub->wake = INLAY_NEVER;
}

/* A relay that waits for a dead publisher itself may take long to say what it has. */
static void ask(struct pub *pub, inlay_ns now)
{
	if (!pub->ask_until)
		pub->ask_until = now + STATUS_TIMEOUT;
	pub->wake = pub->ask_until;
	if (now < pub->ask_until)
		return;
	pub->wake = INLAY_NEVER;
	inlay_publisher_announce(pub->tracks[0].publisher);
}

static bool is_wanted(const struct pub *pub)
{
	unsigned int i;

	for (i = 0; i < pub->n; i++)
		if (inlay_publisher_is_wanted(pub->tracks[i].publisher))
			return true;
	return false;
}

static void on_round(void *user, inlay_ns now)
{
	struct pub *pub = user;
	const struct inlay_publisher *first = pub->tracks[0].publisher;
	const char *error = inlay_publisher_error(first);

	if (error)
		fail(pub, pub->client.uri.authority, error, now);
	if (pub->finishing) {
		linger(pub, now);
		return;
	}
	if (inlay_publisher_is_announced(first) && !pub->said_announced) {
		pub->said_announced = true;
		fprintf(stderr, "announced %s\n", pub->client.track_text);
	}
	if (inlay_publisher_is_asking(first)) {
		ask(pub, now);
		return;
	}
	if (!pub->started) {
		if (!is_wanted(pub) && !(pub->no_wait && pub->said_announced))
			return;
		pub->started = true;
		pub->start = now + pub->start_delay;
		fprintf(stderr, "publishing\n");
	}
	if (now < pub->start)
		pub->wake = pub->start;
	else
		publish(pub, now);
}

static inlay_ns deadline(void *user)
{
	return ((struct pub *)user)->wake;
}

static void on_interrupt(void *user)
{
	finish(user, inlay_driver_now());
}

static void set_session(void *publisher, struct inlay_moq_session *s)
{
	inlay_publisher_set_session(publisher, s);
}

/* ---- options ---- */

static bool take_number(struct pub *pub, int option, const char *arg)
{
	struct inlay_client *c = &pub->client;
	double v = 0;

	switch (option) {
	case OPT_START_DELAY:
		if (!inlay_client_number(c, "start-delay-ms", arg, 0, 1e9, &v))
			return false;
		pub->start_delay = (inlay_ns)(v * 1e6);
		return true;
	case OPT_FIRST_GROUP:
		if (!inlay_client_number(c, "first-group", arg, 0, 1e15, &v))
			return false;
		pub->config.publisher.first_group = (__u64)v;
		pub->config.publisher.go_on = false;
		return true;
	case OPT_PRIORITY:
		if (!inlay_client_number(c, "priority", arg, 0, 255, &v))
			return false;
		pub->config.publisher.priority = (__u8)v;
		return true;
	case OPT_SECONDS:
		return inlay_client_number(c, "seconds", arg, 0.001, 1e9,
					   &pub->config.source.seconds);
	case OPT_RATE:
		return inlay_client_number(c, "rate", arg, 0.001, 1e6, &pub->config.source.rate);
	case OPT_OBJECT_BYTES:
		if (!inlay_client_number(c, "object-bytes", arg, 0, 16 << 20, &v))
			return false;
		pub->config.source.frame_bytes = (size_t)v;
		return true;
	case OPT_KEY_RATIO:
		return inlay_client_number(c, "key-ratio", arg, 1, 1000,
					   &pub->config.source.key_ratio);
	case OPT_GROUP_SECONDS:
		return inlay_client_number(c, "group-seconds", arg, 0.001, 1e6,
					   &pub->config.source.group_seconds);
	}
	return false;
}

static bool take_option(struct pub *pub, int option, const char *arg)
{
	switch (option) {
	case OPT_PUBLISH:
		pub->config.publisher.publish = true;
		break;
	case OPT_WAIT:
		pub->no_wait = false;
		break;
	case OPT_NO_WAIT:
		pub->no_wait = true;
		break;
	case OPT_REAL_TIME:
		pub->config.source.fast = false;
		break;
	case OPT_FAST:
		pub->config.source.fast = true;
		break;
	case OPT_DATAGRAMS:
		pub->config.publisher.datagrams = true;
		break;
	case OPT_NO_TIMESTAMPS:
		pub->config.publisher.timestamps = false;
		break;
	case OPT_JSON:
		pub->json_path = arg;
		break;
	case OPT_HASHES:
		pub->config.hashes_path = arg;
		break;
	default:
		return take_number(pub, option, arg);
	}
	return true;
}

/* -1: go on; else the exit code. */
static int parse(struct pub *pub, int argc, char **argv)
{
	int option, code;

	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (inlay_client_option(&pub->client, option, optarg, usage, &code)) {
			if (code >= 0)
				return code;
		} else if (option == ':' || option == '?') {
			return inlay_client_refuse_option(&pub->client, option, argv[optind - 1]);
		} else if (!take_option(pub, option, optarg)) {
			return INLAY_EXIT_USAGE;
		}
	}
	if (optind < argc)
		pub->client.uri_text = argv[optind++];
	if (optind < argc)
		pub->config.input = argv[optind++];
	if (optind < argc) {
		inlay_client_say(&pub->client, "'%s' is one argument too many; try --help",
				 argv[optind]);
		return INLAY_EXIT_USAGE;
	}
	code = inlay_client_prepare(&pub->client);
	return code ? code : -1;
}

static int open_files(struct pub *pub)
{
	int code;

	if (pub->config.input && (pub->config.source.rate > 0 || pub->client.renditions[0].value)) {
		inlay_client_say(&pub->client, "%s: leave out %s",
				 pub->config.source.rate > 0 ? "--rate makes up its own input"
							     : "each rendition names its own input",
				 pub->config.input);
		return INLAY_EXIT_USAGE;
	}
	if (pub->json_path && !(pub->json = inlay_client_open(&pub->client, pub->json_path)))
		return INLAY_EXIT_FAILED;
	for (; pub->n < pub->client.n_renditions; pub->n++) {
		code = inlay_pub_track_open(&pub->tracks[pub->n], &pub->client,
					    &pub->client.renditions[pub->n], &pub->config);
		if (code) {
			pub->n++; /* half-built */
			return code;
		}
		if (pub->n > 0)
			inlay_publisher_join(pub->tracks[0].publisher,
					     pub->tracks[pub->n].publisher);
	}
	return 0;
}

/* ---- reports ---- */

static struct inlay_publisher_stats total(const struct pub *pub)
{
	struct inlay_publisher_stats sum = {0}, s;
	unsigned int i;

	for (i = 0; i < pub->n; i++) {
		inlay_publisher_stats(pub->tracks[i].publisher, &s);
		sum.frames += s.frames;
		sum.groups += s.groups;
		sum.bytes += s.bytes;
		sum.unwanted += s.unwanted;
		sum.too_large += s.too_large;
		sum.unsent += s.unsent;
	}
	return sum;
}

static void report(struct pub *pub)
{
	struct inlay_publisher_stats s = total(pub);
	struct inlay_peer_stats p = {0};
	char unsent[160] = "";
	unsigned int i;

	if (pub->client.link.peer)
		inlay_peer_stats(pub->client.link.peer, &p);
	if (s.unwanted || s.too_large || s.unsent)
		snprintf(unsent, sizeof(unsent),
			 "; not sent: %llu that nobody wanted, %llu too large, %llu for lack of "
			 "room",
			 (unsigned long long)s.unwanted, (unsigned long long)s.too_large,
			 (unsigned long long)s.unsent);
	fprintf(stderr, "%llu frames in %llu groups, %llu bytes%s\n", (unsigned long long)s.frames,
		(unsigned long long)s.groups, (unsigned long long)s.bytes, unsent);
	for (i = 0; i < pub->n; i++)
		if (inlay_pub_source_cut_short(pub->tracks[i].source))
			inlay_client_say(&pub->client, "the input ended within a fragment");
	if (!pub->json)
		return;
	fprintf(pub->json,
		"{\"frames\": %llu, \"groups\": %llu, \"bytes\": %llu, \"unwanted\": %llu,\n"
		" \"too_large\": %llu, \"unsent\": %llu, \"packets_sent\": %llu,\n"
		" \"packets_received\": %llu}\n",
		(unsigned long long)s.frames, (unsigned long long)s.groups,
		(unsigned long long)s.bytes, (unsigned long long)s.unwanted,
		(unsigned long long)s.too_large, (unsigned long long)s.unsent,
		(unsigned long long)p.packets_sent, (unsigned long long)p.packets_received);
}

static int run(struct pub *pub)
{
	int code = open_files(pub);
	unsigned int i;

	if (code)
		return code;
	pub->client.session_user = pub->tracks[0].publisher;
	code = inlay_client_run(&pub->client);
	if (pub->client.connected)
		report(pub);
	for (i = 0; i < pub->n; i++)
		if (!inlay_pub_track_close(&pub->tracks[i]))
			code = INLAY_EXIT_FAILED;
	if (!inlay_client_close(&pub->client, pub->json, pub->json_path))
		code = INLAY_EXIT_FAILED;
	pub->json = NULL;
	return pub->failed ? INLAY_EXIT_FAILED : code;
}

int main(int argc, char **argv)
{
	struct inlay_client_ops ops = {
		.session = inlay_publisher_session_ops(),
		.set_session = set_session,
		.on_round = on_round,
		.deadline = deadline,
		.on_interrupt = on_interrupt,
	};
	struct pub pub = {
		.client = {.program = "inlay-pub", .ops = &ops},
		.config = {.publisher = {.timestamps = true, .priority = 128, .go_on = true},
			   .source = {.frame_bytes = 1200, .group_seconds = 1}},
		.wake = INLAY_NEVER,
	};
	unsigned int i;
	int code;

	pub.client.user = &pub;
	code = parse(&pub, argc, argv);
	if (code < 0)
		code = run(&pub);
	inlay_client_fini(&pub.client);
	for (i = 0; i < pub.n; i++)
		inlay_pub_track_fini(&pub.tracks[i]);
	return code;
}
