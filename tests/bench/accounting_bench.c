/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What it costs the control plane that a forwarder sends: nanoseconds a copy, for all that an ACK
 * sets off (parsing, the sent log, streams, congestion, limits, the next deadline), with an ACK
 * every 2 and every 10 packets; opening the packet that carries it is left out. Beside it, in the
 * same run, by the same thread: sealing one copy, out of place, each under its subscriber's key.
 *
 * Subscribers take turns as they do in a relay, so that no state is warmer than it would be there:
 * a copy is acknowledged ten ACKs after it was sent. Streams are groups of one track, lent to the
 * forwarder, ended by a FIN, closed when all is acknowledged.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "conn.h"
#include "fake_forwarder.h"
#include "inlay_quic_write.h"
#include "protection.h"

#define LOG	   2048
#define LAG	   10 /* ACKs between a packet and its own */
#define PAYLOAD	   1160
#define GROUP	   64 /* packets of a stream */
#define PACKET	   (PAYLOAD + FAKE_OVERHEAD)
#define HEADER_LEN (1 + INLAY_OWN_CID + INLAY_TX_PN)
#define WARM_UP	   400		    /* steps: until windows are open */
#define GAP	   (500 * INLAY_US) /* between packets of one subscriber */

struct options {
	const char *json;
	int runs, steps, subscribers, cpu;
};

struct subscriber {
	struct inlay_subscriber entry;
	struct inlay_sent *log;
	struct inlay_conn *conn;
	struct fake_forwarder forwarder;
	struct fake_stream stream;
	bool open;
	__u64 next_pn;	       /* of the peer's packets */
	__u64 newest[LAG + 1]; /* number sent last, by step */
	__u8 ack[128];
	size_t ack_len;
	struct inlay_packet_key *key;
	void *hp;
	__u8 *sealed;
};

struct bench {
	const struct options *o;
	struct subscriber *subs;
	struct inlay_aead aead;
	struct inlay_path path;
	struct inlay_cid cid;
	__u8 payload[PACKET];
	inlay_ns now;
	__u64 step, copies, acked, refused;
	inlay_ns sealing, accounting;
};

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "accounting: %s\n", what);
	exit(1);
}

/* --- The control plane's side --------------------------------------------------------------- */

static int read_nothing(void *ctx, __u64 offset, __u8 *dst, size_t len)
{
	memset(dst, 0, len);
	return 0;
}

static bool back(void *loan, bool recall)
{
	return ((const struct fake_stream *)loan)->fin;
}

static const struct inlay_stream_source source = {.read = read_nothing};
static const struct inlay_loan_ops loan_ops = {.back = back};
static const struct inlay_conn_ops conn_ops = {0};

static struct inlay_transport_params params(void)
{
	return (struct inlay_transport_params){
		.initial_max_data = INLAY_PN_MAX,
		.initial_max_stream_data_uni = 4 << 20,
		.initial_max_streams_uni = 1ULL << 50,
		.initial_max_streams_bidi = 4,
		.max_udp_payload_size = 1472,
		.active_connection_id_limit = 4,
		.ack_delay_exponent = 3,
		.max_ack_delay = 25 * INLAY_MS,
		.max_datagram_frame_size = 65535,
	};
}

static void start(struct bench *b, struct subscriber *s)
{
	struct inlay_handover h = {
		.role = INLAY_SERVER,
		.path = b->path,
		.own_cid = b->cid,
		.peer_cid = b->cid,
		.own = params(),
		.peer = params(),
	};
	struct inlay_conn_config config = {
		.handover = &h,
		.ops = &conn_ops,
		.entry = &s->entry,
		.log_size = LOG,
		.cc = INLAY_CC_CUBIC,
		.max_streams_open = 64,
	};

	s->log = calloc(LOG, sizeof(*s->log));
	must(s->log != NULL, "no memory");
	config.log = s->log;
	s->conn = inlay_conn_new(&config, b->now);
	must(s->conn != NULL, "no memory");
	s->forwarder = (struct fake_forwarder){.entry = &s->entry, .log = s->log};
}

/* --- Keys ----------------------------------------------------------------------------------- */

static void *aligned(size_t size)
{
	void *p = aligned_alloc(INLAY_AEAD_ALIGN, (size + INLAY_AEAD_ALIGN - 1) / INLAY_AEAD_ALIGN *
							  INLAY_AEAD_ALIGN);

	must(p != NULL, "no memory");
	memset(p, 0, size);
	return p;
}

static void add_key(struct bench *b, struct subscriber *s, int i)
{
	struct inlay_keys keys;
	__u8 hp[INLAY_KEY_MAX];

	memset(&keys, i + 1, sizeof(keys));
	memset(hp, i + 2, sizeof(hp));
	s->key = aligned(inlay_packet_key_size(&b->aead));
	s->hp = aligned(b->aead.backend->mask_size);
	s->sealed = aligned(PACKET);
	must(!inlay_packet_key_init(&b->aead, s->key, INLAY_AES_128_GCM, true, &keys) &&
		     !b->aead.backend->mask_init(b->aead.instance, s->hp, INLAY_AES_128_GCM, hp),
	     "a key cannot be had");
}

/* One copy for each subscriber. */
static void seal_all(struct bench *b, __u64 pn)
{
	struct inlay_packet_seal packets[INLAY_AEAD_BURST];
	int i = 0;

	while (i < b->o->subscribers) {
		size_t n = 0;

		for (; n < INLAY_AEAD_BURST && i < b->o->subscribers; i++, n++) {
			struct subscriber *s = &b->subs[i];

			s->sealed[0] = 0x43;
			packets[n] = (struct inlay_packet_seal){
				.key = s->key,
				.hp = s->hp,
				.pn = pn,
				.payload = b->payload,
				.payload_len = PACKET - HEADER_LEN - INLAY_TAG,
				.header_len = HEADER_LEN,
				.pn_len = INLAY_TX_PN,
				.dst = s->sealed,
			};
		}
		inlay_protection_seal(&b->aead, packets, n);
	}
}

/* --- One step: some packets to everybody, and an ACK from everybody -------------------------- */

static void open_stream(struct subscriber *s)
{
	__u64 id;

	must(fake_open(&s->forwarder, &s->stream), "no stream is left");
	must(!inlay_conn_stream_adopt(s->conn, s->stream.number, 0, &source, NULL, &loan_ops,
				      &s->stream, &id),
	     "a stream is not adopted");
	s->open = true;
}

static void forward(struct bench *b, struct subscriber *s)
{
	bool fin = s->stream.next >= (GROUP - 1) * PAYLOAD;
	__u64 pn;

	/* The control plane takes back what ended before it adopts another one. */
	if (!s->open)
		open_stream(s);
	if (fake_send(&s->forwarder, &s->stream, PAYLOAD, fin, b->now, &pn)) {
		b->refused++;
		return;
	}
	s->open = !fin;
	b->copies++;
	s->newest[b->step % (LAG + 1)] = pn;
}

/* All up to the newest of |LAG| steps ago, as a receiver writes it that lost nothing. */
static void write_ack(struct bench *b, struct subscriber *s)
{
	__u64 newest = s->newest[(b->step + 1) % (LAG + 1)];
	struct inlay_quic_range range = {0, newest + 1};
	struct inlay_writer w = inlay_writer_of(s->ack, sizeof(s->ack));
	__u64 pn = s->next_pn++;

	must(inlay_quic_put_short(&w, &b->cid, pn, INLAY_TX_PN) &&
		     inlay_quic_put_ack(&w, &range, 1, 0, NULL) == 1 &&
		     inlay_quic_put_desc(&w, 1, 1, 0, HEADER_LEN, pn),
	     "an ACK cannot be written");
	s->ack_len = inlay_writer_len(&w);
}

/* What the endpoint does with it. */
static void account(struct bench *b, struct subscriber *s)
{
	struct inlay_path path;
	__u8 packet[INLAY_FRAME_MAX];

	inlay_conn_recv(s->conn, &b->path, s->ack, s->ack_len, b->now);
	if (inlay_conn_deadline(s->conn) <= b->now)
		inlay_conn_on_timer(s->conn, b->now);
	while (inlay_conn_send(s->conn, packet, sizeof(packet), &path, b->now) > 0)
		;
}

/* This thread's own time: whoever else is on the CPU costs it nothing. */
static inlay_ns cpu_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (inlay_ns)t.tv_sec * INLAY_S + (inlay_ns)t.tv_nsec;
}

static void step(struct bench *b, int packets)
{
	inlay_ns before, between, after;
	int i, k;

	b->now += (inlay_ns)packets * GAP;
	b->step++;
	for (i = 0; i < b->o->subscribers; i++) {
		struct subscriber *s = &b->subs[i];

		s->newest[b->step % (LAG + 1)] = s->newest[(b->step - 1) % (LAG + 1)];
		for (k = 0; k < packets; k++)
			forward(b, s);
		write_ack(b, s);
	}
	before = cpu_now();
	for (k = 0; k < packets; k++)
		seal_all(b, b->step * 16 + (__u64)k);
	between = cpu_now();
	for (i = 0; i < b->o->subscribers; i++)
		account(b, &b->subs[i]);
	after = cpu_now();
	b->sealing += between - before;
	b->accounting += after - between;
}

/* --- Runs ----------------------------------------------------------------------------------- */

struct row {
	int ack_ratio;
	struct bench_series copy, seal;
};

static void bench_init(struct bench *b, const struct options *o)
{
	const __u8 cid[INLAY_OWN_CID] = {1, 2, 3, 4, 5, 6, 7, 8};

	*b = (struct bench){.o = o, .now = 1000 * INLAY_S};
	b->path.local.family = b->path.remote.family = 2;
	inlay_cid_set(&b->cid, cid, sizeof(cid));
	must(!inlay_aead_init(&b->aead, NULL), "no backend");
	b->subs = aligned((size_t)o->subscribers * sizeof(*b->subs));
	for (int i = 0; i < o->subscribers; i++) {
		start(b, &b->subs[i]);
		add_key(b, &b->subs[i], i);
	}
}

static void bench_fini(struct bench *b)
{
	for (int i = 0; i < b->o->subscribers; i++) {
		struct subscriber *s = &b->subs[i];

		inlay_conn_free(s->conn);
		free(s->log);
		inlay_packet_key_fini(&b->aead, s->key);
		b->aead.backend->mask_fini(b->aead.instance, s->hp);
		free(s->key);
		free(s->hp);
		free(s->sealed);
	}
	free(b->subs);
	inlay_aead_fini(&b->aead);
}

static void run(const struct options *o, struct row *row)
{
	struct bench b;
	double copies;
	int i;

	bench_init(&b, o);
	for (i = 0; i < WARM_UP; i++)
		step(&b, row->ack_ratio);
	b.copies = b.refused = b.sealing = b.accounting = 0;
	for (i = 0; i < o->steps; i++)
		step(&b, row->ack_ratio);
	copies = (double)b.copies;
	must(b.refused == 0, "the window does not open");
	bench_series_add(&row->copy, (double)b.accounting / copies);
	bench_series_add(&row->seal, (double)b.sealing / copies);
	for (i = 0; i < o->subscribers; i++) {
		struct inlay_conn_stats stats;

		inlay_conn_stats(b.subs[i].conn, &stats);
		must(stats.packets_lost == 0 && stats.packets_dropped == 0 &&
			     stats.packets_forwarded + (__u64)row->ack_ratio * LAG >=
				     b.copies / (__u64)o->subscribers,
		     "the books do not balance");
	}
	bench_fini(&b);
}

static int report(const struct options *o, const struct bench_host *host, const struct row *rows,
		  size_t n)
{
	json_t *root = bench_meta(host, "accounting", o->runs);
	json_t *out = json_object_get(root, "rows");

	printf("%9s %12s %9s %7s %8s\n", "ack_ratio", "ns_per_copy", "ns_seal", "ratio", "spread");
	for (size_t i = 0; i < n; i++) {
		double copy = bench_series_median(&rows[i].copy);
		double seal = bench_series_median(&rows[i].seal);
		double spread = bench_series_spread(&rows[i].copy);

		printf("%9d %12.1f %9.1f %7.2f %7.1f%%\n", rows[i].ack_ratio, copy, seal,
		       copy / seal, 100 * spread);
		json_array_append_new(out, json_pack("{s:i, s:f, s:f, s:f}", "ack_ratio",
						     rows[i].ack_ratio, "ns_per_copy", copy,
						     "ns_seal", seal, "spread", spread));
	}
	printf("aim: at most 0.5 with an ACK every 10 packets\n");
	json_object_set_new(root, "subscribers", json_integer(o->subscribers));
	return bench_write_json(root, o->json);
}

static int usage(void)
{
	fprintf(stderr, "usage: accounting_bench [--json FILE] [--runs N] [--steps N] "
			"[--subscribers N] [--cpu N]\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"json", required_argument, NULL, 'j'},
					      {"runs", required_argument, NULL, 'r'},
					      {"steps", required_argument, NULL, 's'},
					      {"subscribers", required_argument, NULL, 'n'},
					      {"cpu", required_argument, NULL, 'c'},
					      {0}};
	struct options o = {.runs = 11, .steps = 400, .subscribers = 64, .cpu = -1};
	struct row rows[] = {{.ack_ratio = 2}, {.ack_ratio = 10}};
	struct bench_host host;
	int c, i;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'j':
			o.json = optarg;
			break;
		case 'r':
			o.runs = atoi(optarg);
			break;
		case 's':
			o.steps = atoi(optarg);
			break;
		case 'n':
			o.subscribers = atoi(optarg);
			break;
		case 'c':
			o.cpu = atoi(optarg);
			break;
		default:
			return usage();
		}
	}
	if (optind < argc || o.runs < 1 || o.runs > BENCH_MAX_RUNS || o.steps < 1 ||
	    o.subscribers < 1 || o.subscribers > 4096)
		return usage();
	bench_host_init(&host, o.cpu);
	bench_print_host(&host, o.runs);
	for (i = 0; i < o.runs; i++)
		for (size_t k = 0; k < INLAY_ARRAY_SIZE(rows); k++)
			run(&o, &rows[k]);
	return report(&o, &host, rows, INLAY_ARRAY_SIZE(rows)) ? 1 : 0;
}
