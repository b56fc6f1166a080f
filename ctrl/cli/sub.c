/* SPDX-License-Identifier: BSD-2-Clause */
/* inlay-sub: receives a track from a MoQ relay, writes its media, and measures. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "fmp4.h"
#include "subscriber.h"

static const char usage[] =
	"usage: inlay-sub [options] URI --track NAMESPACE--NAME\n"
	"       inlay-sub [options] URI --rendition NAMESPACE--NAME=BITRATE ...\n"
	"\n"
	"Receives a track from the relay URI (moqt://host:port/), beginning with the first object "
	"of\n"
	"its newest group. Says \"ready\" on standard error once it is subscribed.\n"
	"Of several renditions it takes what the path carries, and changes between groups.\n"
	"\n" INLAY_CLIENT_USAGE
	"  --rendition TRACK=BITRATE  one of several tracks with the same content, at so many\n"
	"                     bits a second (as 800k, 2.5M); groups have the same numbers in each\n"
	"  -o FILE            write the media there; - is standard output\n"
	"  --wait SECONDS     wait so long for somebody to publish the track, also again\n"
	"  --live             begin with the next group\n"
	"  --seconds N        end N seconds after \"ready\"\n"
	"  --frames N         end after N frames\n"
	"  --patience-ms N    give up what is missing after N ms while later frames wait; default "
	"2000\n"
	"Reports:\n"
	"  --stats            a line a second, and a summary\n"
	"  --json FILE        the summary, at the end\n"
	"  --hashes FILE      a line a frame: group object bytes sha256\n"
	"  --ready-fd N       write \"ready\" to this file descriptor as well\n"
	"To act as a bad subscriber:\n"
	"  --stall SECONDS    grant the relay no more credit for so long after \"ready\"\n"
	"  --read-rate BYTES  grant so many bytes a second only\n";

enum {
	OPT_WAIT = 1,
	OPT_LIVE,
	OPT_SECONDS,
	OPT_FRAMES,
	OPT_PATIENCE,
	OPT_STATS,
	OPT_JSON,
	OPT_HASHES,
	OPT_READY_FD,
	OPT_STALL,
	OPT_READ_RATE,
};

static const struct option options[] = {
	INLAY_CLIENT_OPTIONS,
	{"wait", required_argument, NULL, OPT_WAIT},
	{"live", no_argument, NULL, OPT_LIVE},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"frames", required_argument, NULL, OPT_FRAMES},
	{"patience-ms", required_argument, NULL, OPT_PATIENCE},
	{"stats", no_argument, NULL, OPT_STATS},
	{"json", required_argument, NULL, OPT_JSON},
	{"hashes", required_argument, NULL, OPT_HASHES},
	{"ready-fd", required_argument, NULL, OPT_READY_FD},
	{"stall", required_argument, NULL, OPT_STALL},
	{"read-rate", required_argument, NULL, OPT_READ_RATE},
	{0},
};

#define STALL (500 * INLAY_MS) /* nothing was handed on for so long */

#define MAX_SWITCHES 256

struct change {
	inlay_ns at; /* after "ready" */
	__u64 group, estimate;
	unsigned int from, to;
};

struct sub {
	struct inlay_client client;
	struct inlay_subscriber_config config;
	struct inlay_subscriber_track *track;
	const struct inlay_rendition *ladder[INLAY_ABR_RENDITIONS]; /* by rising bit rate */
	struct change switches[MAX_SWITCHES]; /* for the summary: the first ones */
	unsigned int n_switches;
	const char *out_path, *json_path, *hashes_path;
	FILE *out, *json, *hashes;
	bool stats, said_connected, ready, done, failed;
	int ready_fd;
	double seconds, stall, read_rate;
	__u64 frames, max_frames;
	struct inlay_fmp4_once once;
	inlay_ns last_object; /* handed on; 0: none was */
	__u64 stalls;
	inlay_ns stalled;
	inlay_ns ready_at, end_at, stall_until, next_line, last_release;
	__u64 line_frames, line_bytes;
};

static void end(struct sub *sub)
{
	sub->done = true;
}

static void fail(struct sub *sub, const char *what, const char *why)
{
	if (!sub->failed)
		inlay_client_say(&sub->client, "%s: %s", what, why);
	sub->failed = true;
	end(sub);
}

/* ---- media ---- */

static void write_media(struct sub *sub, const __u8 *data, size_t len)
{
	size_t skip = inlay_fmp4_once_skip(&sub->once, data, len);

	data += skip;
	len -= skip;
	if (len && (fwrite(data, len, 1, sub->out) != 1 || fflush(sub->out)))
		fail(sub, sub->out_path, strerror(errno));
}

/* A player would have stood still. */
static void note_stall(struct sub *sub, inlay_ns now)
{
	if (sub->last_object && now - sub->last_object >= STALL) {
		sub->stalls++;
		sub->stalled += now - sub->last_object;
	}
	sub->last_object = now;
}

static void on_object(void *user, __u64 group, __u64 object, const __u8 *data, size_t len)
{
	struct sub *sub = user;

	note_stall(sub, inlay_driver_now());
	if (sub->max_frames && sub->frames >= sub->max_frames)
		return;
	sub->frames++;
	inlay_client_hash(sub->hashes, group, object, data, len);
	if (sub->out && !sub->failed)
		write_media(sub, data, len);
	if (sub->frames == sub->max_frames)
		end(sub);
}

static void on_switch(void *user, unsigned int from, unsigned int to, __u64 group)
{
	struct sub *sub = user;
	inlay_ns now = inlay_driver_now();

	fprintf(stderr, "rendition %s from group %llu on, estimate %.2f Mbit/s\n",
		sub->ladder[to]->track, (unsigned long long)group,
		(double)inlay_subscriber_estimate(sub->track, now) / 1e6);
	if (sub->n_switches < MAX_SWITCHES)
		sub->switches[sub->n_switches++] = (struct change){
			.at = now - sub->ready_at,
			.group = group,
			.from = from,
			.to = to,
			.estimate = inlay_subscriber_estimate(sub->track, now),
		};
}

/* ---- states ---- */

static void on_ready(struct sub *sub)
{
	inlay_ns now = inlay_driver_now();

	sub->ready = true;
	sub->ready_at = sub->last_release = now;
	sub->next_line = now + INLAY_S;
	if (sub->seconds > 0)
		sub->end_at = now + (inlay_ns)(sub->seconds * 1e9);
	if (sub->stall > 0)
		sub->stall_until = now + (inlay_ns)(sub->stall * 1e9);
	if (sub->stall > 0 || sub->read_rate > 0)
		inlay_peer_hold(sub->client.link.peer, true);
	fprintf(stderr, "ready\n");
	if (sub->ready_fd >= 0 && write(sub->ready_fd, "ready\n", 6) != 6)
		fail(sub, "--ready-fd", strerror(errno));
}

static void on_state(void *user, enum inlay_subscriber_state state)
{
	struct sub *sub = user;

	switch (state) {
	case INLAY_SUB_WAITING:
		if (!sub->said_connected)
			fprintf(stderr, "connected\n");
		sub->said_connected = true;
		break;
	case INLAY_SUB_READY:
		if (!sub->ready)
			on_ready(sub);
		break;
	case INLAY_SUB_ENDED:
		end(sub);
		break;
	case INLAY_SUB_FAILED:
		fail(sub, sub->client.track_text, inlay_subscriber_error(sub->track));
		break;
	default:
		break;
	}
}

/* ---- time ---- */

static void print_line(struct sub *sub, inlay_ns now)
{
	const struct inlay_delays *d = inlay_subscriber_delays(sub->track);
	struct inlay_jitter_stats s;

	inlay_subscriber_stats(sub->track, &s);
	fprintf(stderr,
		"%6.1f s %7llu frames %7.2f Mbit/s  missing %llu  resets %llu  "
		"delay p50 %llu us p99 %llu us",
		(double)(now - sub->ready_at) / 1e9,
		(unsigned long long)(sub->frames - sub->line_frames),
		(double)(s.bytes - sub->line_bytes) * 8 / 1e6,
		(unsigned long long)(s.missing_objects + s.missing_groups),
		(unsigned long long)s.resets, (unsigned long long)inlay_delays_percentile(d, 500),
		(unsigned long long)inlay_delays_percentile(d, 990));
	if (sub->config.n > 1)
		fprintf(stderr, "  %s  estimate %.2f Mbit/s",
			sub->ladder[inlay_subscriber_rendition(sub->track)]->track,
			(double)inlay_subscriber_estimate(sub->track, now) / 1e6);
	fputc('\n', stderr);
	sub->line_frames = sub->frames;
	sub->line_bytes = s.bytes;
	sub->next_line = now + INLAY_S;
}

static void grant_credit(struct sub *sub, inlay_ns now)
{
	double bytes = sub->read_rate * (double)(now - sub->last_release) / 1e9;

	if (now < sub->stall_until)
		return;
	if (!(sub->read_rate > 0)) {
		if (sub->stall > 0)
			inlay_peer_hold(sub->client.link.peer, false);
		sub->stall = 0;
	} else if (now >= sub->last_release + 10 * INLAY_MS) {
		inlay_peer_release(sub->client.link.peer, (__u64)bytes);
		sub->last_release = now;
	}
}

static void on_round(void *user, inlay_ns now)
{
	struct sub *sub = user;

	if (inlay_subscriber_deadline(sub->track) <= now)
		inlay_subscriber_on_timer(sub->track, now);
	if (sub->ready) {
		if (sub->stats && now >= sub->next_line)
			print_line(sub, now);
		grant_credit(sub, now);
		if (sub->end_at && now >= sub->end_at)
			end(sub);
	}
	if (!sub->done || inlay_moq_session_is_closed(sub->client.link.session))
		return;
	inlay_subscriber_finish(sub->track);
	inlay_moq_session_close(sub->client.link.session, INLAY_MOQ_SESSION_NO_ERROR, "done");
}

static void earlier(inlay_ns *at, inlay_ns other)
{
	if (other < *at)
		*at = other;
}

static inlay_ns deadline(void *user)
{
	struct sub *sub = user;
	inlay_ns at = inlay_subscriber_deadline(sub->track);

	if (!sub->ready)
		return at;
	if (sub->stats)
		earlier(&at, sub->next_line);
	if (sub->end_at)
		earlier(&at, sub->end_at);
	if (sub->stall > 0)
		earlier(&at, sub->stall_until);
	else if (sub->read_rate > 0)
		earlier(&at, sub->last_release + 10 * INLAY_MS);
	return at;
}

static void on_interrupt(void *user)
{
	end(user);
}

static void set_session(void *track, struct inlay_moq_session *s)
{
	inlay_subscriber_set_session(track, s);
}

/* ---- options ---- */

static bool take_number(struct sub *sub, int option, const char *arg)
{
	struct inlay_client *c = &sub->client;
	double v = 0;

	switch (option) {
	case OPT_WAIT:
		if (!inlay_client_number(c, "wait", arg, 0, 1e6, &v))
			return false;
		sub->config.wait = (inlay_ns)(v * 1e9);
		return true;
	case OPT_SECONDS:
		return inlay_client_number(c, "seconds", arg, 0.001, 1e9, &sub->seconds);
	case OPT_FRAMES:
		if (!inlay_client_number(c, "frames", arg, 1, 1e15, &v))
			return false;
		sub->max_frames = (__u64)v;
		return true;
	case OPT_PATIENCE:
		if (!inlay_client_number(c, "patience-ms", arg, 1, 1e6, &v))
			return false;
		sub->config.patience = (inlay_ns)(v * 1e6);
		return true;
	case OPT_READY_FD:
		if (!inlay_client_number(c, "ready-fd", arg, 0, 1e6, &v))
			return false;
		sub->ready_fd = (int)v;
		return true;
	case OPT_STALL:
		return inlay_client_number(c, "stall", arg, 0.001, 1e6, &sub->stall);
	case OPT_READ_RATE:
		return inlay_client_number(c, "read-rate", arg, 1, 1e12, &sub->read_rate);
	}
	return false;
}

static bool take_option(struct sub *sub, int option, const char *arg)
{
	switch (option) {
	case 'o':
		sub->out_path = arg;
		break;
	case OPT_LIVE:
		sub->config.live = true;
		break;
	case OPT_STATS:
		sub->stats = true;
		break;
	case OPT_JSON:
		sub->json_path = arg;
		break;
	case OPT_HASHES:
		sub->hashes_path = arg;
		break;
	default:
		return take_number(sub, option, arg);
	}
	return true;
}

/* -1: go on; else the exit code. By insertion: they are few. */
static int sort_renditions(struct sub *sub)
{
	struct inlay_client *c = &sub->client;
	struct inlay_subscriber_rendition *r = sub->config.renditions;
	unsigned int i, at;
	__u64 bps = 0;

	for (i = 0; i < c->n_renditions; i++) {
		const struct inlay_rendition *one = &c->renditions[i];

		if (one->value && !inlay_rendition_bit_rate(one->value, &bps)) {
			inlay_client_say(c, "'%s' is no bit rate: write bits a second, as 800k",
					 one->value);
			return INLAY_EXIT_USAGE;
		}
		for (at = i; at > 0 && r[at - 1].bps > bps; at--) {
			r[at] = r[at - 1];
			sub->ladder[at] = sub->ladder[at - 1];
		}
		r[at] = (struct inlay_subscriber_rendition){.name = &one->name, .bps = bps};
		sub->ladder[at] = one;
	}
	sub->config.n = c->n_renditions;
	return -1;
}

/* -1: go on; else the exit code. */
static int parse(struct sub *sub, int argc, char **argv)
{
	int option, code;

	while ((option = getopt_long(argc, argv, ":o:", options, NULL)) != -1) {
		if (inlay_client_option(&sub->client, option, optarg, usage, &code)) {
			if (code >= 0)
				return code;
		} else if (option == ':' || option == '?') {
			return inlay_client_refuse_option(&sub->client, option, argv[optind - 1]);
		} else if (!take_option(sub, option, optarg)) {
			return INLAY_EXIT_USAGE;
		}
	}
	if (optind < argc)
		sub->client.uri_text = argv[optind++];
	if (optind < argc) {
		inlay_client_say(&sub->client, "'%s' is one argument too many; try --help",
				 argv[optind]);
		return INLAY_EXIT_USAGE;
	}
	code = inlay_client_prepare(&sub->client);
	return code ? code : sort_renditions(sub);
}

static FILE *open_if_named(const struct sub *sub, const char *path, bool *ok)
{
	FILE *file = path ? inlay_client_open(&sub->client, path) : NULL;

	*ok &= !path || file;
	return file;
}

static int open_files(struct sub *sub)
{
	bool ok = true;

	sub->out = open_if_named(sub, sub->out_path, &ok);
	sub->json = open_if_named(sub, sub->json_path, &ok);
	sub->hashes = open_if_named(sub, sub->hashes_path, &ok);
	sub->track = inlay_subscriber_new(&sub->config);
	if (!sub->track)
		inlay_client_say(&sub->client, "no memory");
	/* One that reads slowly has small windows: the sender is to feel it. */
	if (sub->stall > 0 || sub->read_rate > 0) {
		sub->client.params.initial_max_data = 256 << 10;
		sub->client.params.initial_max_stream_data_uni = 128 << 10;
	}
	return ok && sub->track ? 0 : INLAY_EXIT_FAILED;
}

/* ---- reports ---- */

static void report_switches(const struct sub *sub)
{
	unsigned int i;

	fputs("{\"switches\": [", sub->json);
	for (i = 0; i < sub->n_switches; i++) {
		const struct change *c = &sub->switches[i];

		fprintf(sub->json,
			"%s\n  {\"at_ms\": %llu, \"group\": %llu, \"from\": \"%s\", \"to\": "
			"\"%s\", \"estimate_bps\": %llu}",
			i ? "," : "", (unsigned long long)(c->at / INLAY_MS),
			(unsigned long long)c->group, sub->ladder[c->from]->track,
			sub->ladder[c->to]->track, (unsigned long long)c->estimate);
	}
	fputs("],\n", sub->json);
}

static void report_json(const struct sub *sub, const struct inlay_jitter_stats *s)
{
	const struct inlay_delays *d = inlay_subscriber_delays(sub->track);

	report_switches(sub);
	fprintf(sub->json,
		" \"estimate_bps\": %llu, \"stalls\": %llu, \"stalled_ms\": %llu,\n"
		" \"frames\": %llu, \"groups\": %llu, \"bytes\": %llu, \"missing_frames\": %llu,\n"
		" \"missing_groups\": %llu, \"resets\": %llu, \"late\": %llu,\n"
		" \"delay_us\": {\"p50\": %llu, \"p99\": %llu, \"max\": %llu, \"samples\": "
		"%llu}}\n",
		(unsigned long long)inlay_subscriber_estimate(sub->track, inlay_driver_now()),
		(unsigned long long)sub->stalls, (unsigned long long)(sub->stalled / INLAY_MS),
		(unsigned long long)sub->frames, (unsigned long long)s->groups,
		(unsigned long long)s->bytes, (unsigned long long)s->missing_objects,
		(unsigned long long)s->missing_groups, (unsigned long long)s->resets,
		(unsigned long long)s->late, (unsigned long long)inlay_delays_percentile(d, 500),
		(unsigned long long)inlay_delays_percentile(d, 990), (unsigned long long)d->max_us,
		(unsigned long long)d->n);
}

static void report(struct sub *sub)
{
	const struct inlay_delays *d = inlay_subscriber_delays(sub->track);
	unsigned long long p50 = inlay_delays_percentile(d, 500);
	unsigned long long p99 = inlay_delays_percentile(d, 990);
	struct inlay_jitter_stats s;

	inlay_subscriber_stats(sub->track, &s);
	fprintf(stderr,
		"%llu frames in %llu groups, %llu bytes; missing: %llu frames, %llu groups; "
		"%llu streams reset; %llu frames too late; delay p50 %llu us, p99 %llu us\n",
		(unsigned long long)sub->frames, (unsigned long long)s.groups,
		(unsigned long long)s.bytes, (unsigned long long)s.missing_objects,
		(unsigned long long)s.missing_groups, (unsigned long long)s.resets,
		(unsigned long long)s.late, p50, p99);
	if (sub->json)
		report_json(sub, &s);
}

static int run(struct sub *sub)
{
	int code = open_files(sub);

	if (code)
		return code;
	sub->client.session_user = sub->track;
	code = inlay_client_run(&sub->client);
	if (sub->said_connected)
		report(sub);
	if (!inlay_client_close(&sub->client, sub->out, sub->out_path) ||
	    !inlay_client_close(&sub->client, sub->json, sub->json_path) ||
	    !inlay_client_close(&sub->client, sub->hashes, sub->hashes_path))
		code = INLAY_EXIT_FAILED;
	return sub->failed ? INLAY_EXIT_FAILED : code;
}

int main(int argc, char **argv)
{
	struct inlay_client_ops ops = {
		.session = inlay_subscriber_session_ops(),
		.set_session = set_session,
		.on_round = on_round,
		.deadline = deadline,
		.on_interrupt = on_interrupt,
	};
	struct sub sub = {
		.client = {.program = "inlay-sub", .ops = &ops},
		.ready_fd = -1,
	};
	int code;

	signal(SIGPIPE, SIG_IGN);
	sub.client.user = &sub;
	sub.config.on_switch = on_switch;
	sub.config.on_state = on_state;
	sub.config.on_object = on_object;
	sub.config.user = &sub;
	code = parse(&sub, argc, argv);
	if (code < 0)
		code = run(&sub);
	inlay_client_fini(&sub.client);
	inlay_subscriber_free(sub.track);
	inlay_fmp4_once_fini(&sub.once);
	return code;
}
