/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nanoseconds a copy, from a packet that was opened to N sealed ones in a port that discards them,
 * each under a key of its own: the forwarder whole (journal, slot, framing, credit, numbers, sent
 * log, headers from the link layer on), and the provider whole (checks, window, lock). Beside it,
 * with the same keys and as many buffers, sealing alone by the fastest backend: that is the floor;
 * and between the two the provider's operation alone.
 *
 * A sample is a whole subgroup, the first frame with its claim included. Not in it, and done
 * between samples, is the control plane's part: it raises limits, moves the journal's mark and
 * gives slots back. Times are CPU time of this thread, so that who else runs costs little.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bench.h"
#include "fanout.h"
#include "inlay_moq.h"
#include "inlay_net.h"
#include "inlay_quic_write.h"
#include "local_sa.h"
#include "provider_local.h"

#define MOST	   1024 /* subscribers */
#define HEADER_LEN (1 + INLAY_OWN_CID + INLAY_TX_PN)
#define STREAM_LEN 13 /* of a copy's frame header */
#define GROUP	   30 /* packets of a subgroup */
#define GROUPS	   8  /* in a sample, at most */
#define BUFFERS	   64
#define LOG	   2048
#define ALIAS	   7
#define RX_SA	   0

struct options {
	const char *json;
	size_t bytes; /* of a copy's UDP payload */
	size_t burst; /* packets that are forwarded together */
	size_t only;  /* this N, and IPv4; 0: all */
	int runs, samples, cpu;
};

/* All for one N and one family. */
struct fixture {
	const struct options *o;
	size_t n;
	__u8 version; /* of IP */
	struct inlay_provider *provider;
	struct inlay_state *state;
	const struct inlay_tables *t;
	struct inlay_fanout *fanout;
	__u32 upstream, track;
	struct inlay_subscriber *subs[MOST];
	struct inlay_frame *packets; /* of a sample */
	struct inlay_frame *buffers; /* for sealing alone */
	__u8 stage[INLAY_FRAME_MAX]; /* for sealing alone: what all have in common */
	__u64 next_pn, next_stream;
	__u64 next_alone; /* packet number of sealing alone */
	size_t taken;	  /* by the port */
	struct bench_series copy, seal, provider_seal;
};

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "fanout_bench: %s\n", what);
	exit(1);
}

static inlay_ns cpu_time(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (inlay_ns)t.tv_sec * INLAY_S + (inlay_ns)t.tv_nsec;
}

/* --- Fixture ------------------------------------------------------------------------------------
 */

static size_t discard(void *user, __u16 port, const struct inlay_port_item *items, size_t n)
{
	struct fixture *f = user;

	f->taken += n;
	return n;
}

static struct inlay_addr address_of(const struct fixture *f, size_t i)
{
	struct inlay_addr a = {
		.family = f->version == 4 ? INLAY_NET_AF_INET : INLAY_NET_AF_INET6,
		.port = __builtin_bswap16(4433),
		.ip = {10, 1, (__u8)(i >> 8), (__u8)i},
	};

	return a;
}

static void fill_headers(struct fixture *f, size_t i, const struct inlay_cid *cid,
			 struct inlay_headers *h)
{
	struct inlay_net_datagram d = {.ip = {.version = f->version, .ttl = 64, .src = {10, 1}},
				       .udp = {.src = 443, .dst = 4433}};
	struct inlay_writer w = inlay_writer_of(h->bytes, sizeof(h->bytes));

	h->path.remote = address_of(f, i);
	memcpy(d.ip.dst, h->path.remote.ip, sizeof(d.ip.dst));
	h->l2_len = INLAY_NET_ETH_LEN;
	h->ip_len = f->version == 4 ? INLAY_NET_IPV4_LEN : INLAY_NET_IPV6_LEN;
	h->quic_len = HEADER_LEN;
	must(inlay_net_put(&w, &d) && inlay_quic_put_short(&w, cid, 0, INLAY_TX_PN),
	     "headers do not fit");
}

static void add_subscriber(struct fixture *f, size_t i)
{
	struct inlay_cid cid = {.len = INLAY_OWN_CID};
	struct inlay_sa_params params = {
		.direction = INLAY_TX, .cipher = INLAY_AES_128_GCM, .cids = &cid, .n_cids = 1};
	struct inlay_subscriber *s;
	struct inlay_position *p;
	struct inlay_sa_ref tx;
	__u32 at = 0, position = 0;

	memcpy(cid.data, &i, sizeof(i));
	memset(&params.keys, (int)i, sizeof(params.keys));
	memcpy(params.keys.key, &i, sizeof(i));
	memset(params.hp, (int)i + 1, sizeof(params.hp));
	params.path.remote = address_of(f, i);
	must(!f->provider->ops->sa_add(f->provider, &params, &tx) &&
		     !inlay_state_subscriber_get(f->state, &at) &&
		     !inlay_state_position_get(f->state, f->track, &position),
	     "a subscriber could not be added");
	s = f->subs[i] = inlay_state_subscriber(f->state, at);
	memset(inlay_state_log(f->state, at), 0, LOG * sizeof(struct inlay_sent));
	s->path_mtu = 1452;
	s->sa = tx.number;
	s->sa_generation = tx.generation;
	s->log_mask = LOG - 1;
	s->initiator = 1;
	fill_headers(f, i, &cid, &s->headers[0]);
	p = &f->t->positions[f->track * INLAY_POSITIONS + position];
	p->subscriber = at;
	p->generation = s->generation;
	p->end_group = ~0ULL;
	p->alias = (__u32)i;
	memset(p->thresholds, 0xff, sizeof(p->thresholds));
	inlay_xchg_u32(&p->state, INLAY_POSITION_ARMED);
}

static void add_upstream(struct fixture *f)
{
	struct inlay_upstream *up;

	must(!inlay_state_upstream_get(f->state, &f->upstream) &&
		     !inlay_state_track_get(f->state, &f->track) &&
		     !inlay_state_route(f->state, RX_SA, 1, f->upstream),
	     "no room for the publisher");
	up = &f->t->upstreams[f->upstream];
	up->draft = 18;
	up->aliases[0].alias = ALIAS;
	up->aliases[0].end_group = ~0ULL;
	up->aliases[0].priority = 128;
	inlay_xchg_u32(&up->aliases[0].track, f->track + 1);
	inlay_xchg_u32(&up->state, INLAY_UPSTREAM_ON);
}

static void fixture_init(struct fixture *f, const struct options *o, size_t n, __u8 version)
{
	const struct inlay_provider_local_config local = {.max_sa = MOST, .max_cids = MOST};
	const struct inlay_state_config state = {.log_size = LOG};
	static const struct inlay_fanout_ops ops = {.send = discard};
	struct inlay_fanout_config config = {.ops = &ops, .user = f};

	f->o = o;
	f->n = n;
	f->version = version;
	f->provider = inlay_provider_local_new(&local);
	must(f->provider && !inlay_state_new(&state, &f->state), "no memory");
	f->t = inlay_state_tables(f->state);
	config.tables = f->t;
	config.provider = f->provider;
	must(!inlay_fanout_new(&config, &f->fanout), "no memory");
	f->packets = aligned_alloc(INLAY_CACHELINE, GROUP * GROUPS * sizeof(*f->packets));
	f->buffers = aligned_alloc(INLAY_CACHELINE, BUFFERS * sizeof(*f->buffers));
	must(f->packets && f->buffers, "no memory");
	memset(f->buffers, 0, BUFFERS * sizeof(*f->buffers));
	add_upstream(f);
	for (size_t i = 0; i < n; i++)
		add_subscriber(f, i);
	/* Pages that each turn of the logs, the journal and the slots after the first finds. */
	memset(f->t->journals, 0, f->t->journal_size * sizeof(*f->t->journals));
	for (__u32 i = 0; i < f->t->n_slots; i++)
		memset(&f->t->legs[(size_t)i * INLAY_POSITIONS], 0, n * sizeof(*f->t->legs));
}

static void fixture_fini(struct fixture *f)
{
	inlay_fanout_free(f->fanout);
	inlay_state_free(f->state);
	f->provider->ops->free(f->provider);
	free(f->packets);
	free(f->buffers);
}

/* --- The control plane's part -------------------------------------------------------------------
 */

static void control(struct fixture *f)
{
	struct inlay_upstream *up = &f->t->upstreams[f->upstream];

	for (__u32 i = 0; i < f->t->n_slots; i++)
		if (f->t->slots[i].state == INLAY_SLOT_LIVE)
			inlay_state_slot_put(f->state, i);
	inlay_state_reclaim(f->state);
	inlay_store_u64(&up->journal_mark, f->next_pn);
	for (size_t i = 0; i < f->n; i++) {
		struct inlay_subscriber *s = f->subs[i];

		s->pn_limit = s->next_pn + LOG - 64;
		s->stream_limit = s->next_stream + 100;
		s->flow_limit = s->flow_bytes + (1U << 30);
		s->initial_stream_limit = 1U << 30;
		for (int c = 0; c < INLAY_CLASSES; c++)
			s->class_limit[c] = s->bytes_sent + (1U << 30);
	}
}

/* --- Packets ------------------------------------------------------------------------------------
 */

/* The publisher's next packet: one object, of a size that makes copies |bytes| long. */
static size_t write_packet(struct fixture *f, struct inlay_frame *frame, size_t at, __u64 *offset)
{
	static const struct inlay_cid cid = {.len = INLAY_OWN_CID, .data = {9}};
	const struct inlay_moq_subgroup h = {.alias = ALIAS, .group = f->next_stream};
	struct inlay_writer w = inlay_writer_of(frame->data, sizeof(frame->data));
	size_t room = f->o->bytes - HEADER_LEN - STREAM_LEN - INLAY_TAG;
	struct inlay_writer body = inlay_writer_of((__u8[128]){0}, 128);
	size_t object;
	__u8 *payload = NULL;
	bool ok = true;

	if (at == 0) {
		ok = inlay_moq18_subgroup_put(&body, &h);
		room -= 16; /* of which copies' headers take some more */
	}
	object = room - inlay_writer_len(&body) - 3;
	ok = ok && inlay_vi64_put(&body, 0) && inlay_vi64_put_sized(&body, object, 2);
	room = inlay_writer_len(&body) + object;
	ok = ok && inlay_quic_put_short(&w, &cid, f->next_pn, INLAY_TX_PN) &&
	     inlay_quic_put_stream_header(&w, f->next_stream << 2 | 2, *offset, room,
					  at == GROUP - 1, false) &&
	     inlay_writer_bytes(&w, body.begin, inlay_writer_len(&body)) &&
	     inlay_writer_reserve(&w, object, &payload) &&
	     inlay_quic_put_desc(&w, RX_SA, 1, 0, HEADER_LEN, f->next_pn++);
	must(ok, "a packet does not fit");
	memset(payload, (int)f->next_pn, object);
	*offset += room;
	frame->kind = INLAY_FRAME_CLEAR;
	frame->len = (__u32)inlay_writer_len(&w);
	return room;
}

static void write_group(struct fixture *f, struct inlay_frame *packets)
{
	__u64 offset = 0;

	for (size_t i = 0; i < GROUP; i++)
		write_packet(f, &packets[i], i, &offset);
	f->next_stream++;
}

/* --- Samples ------------------------------------------------------------------------------------
 */

static size_t groups_of(const struct fixture *f)
{
	size_t groups = 64 / f->n;

	return groups > GROUPS ? GROUPS : groups ? groups : 1;
}

static void print_reasons(const struct fixture *f)
{
	const struct inlay_reason_counters *c = inlay_fanout_reasons(f->fanout);

	for (__u32 i = 0; i < INLAY_N_REASONS; i++)
		if (c->count[i])
			fprintf(stderr, "%llu: %s\n", (unsigned long long)c->count[i],
				inlay_reason_text(i));
}

/* Nanoseconds a copy. */
static double sample_copies(struct fixture *f)
{
	size_t n = groups_of(f) * GROUP, taken = f->taken;
	struct inlay_frame *frames[INLAY_PORT_BURST];
	inlay_ns start;

	control(f);
	for (size_t i = 0; i < n; i += GROUP)
		write_group(f, f->packets + i);
	start = cpu_time();
	for (size_t i = 0, k; i < n; i += k) {
		for (k = 0; k < f->o->burst && i + k < n; k++)
			frames[k] = &f->packets[i + k];
		k = inlay_fanout_run(f->fanout, frames, k, start);
	}
	start = cpu_time() - start;
	if (f->taken - taken != n * f->n)
		print_reasons(f);
	must(f->taken - taken == n * f->n, "a copy was not forwarded");
	return (double)start / (double)(n * f->n);
}

/* As many seals of as many bytes, under the same keys in turn, out of place. */
static double sample_seals(struct fixture *f)
{
	struct inlay_local *l = inlay_local_of(f->provider);
	size_t n = groups_of(f) * GROUP * f->n, m, body = f->o->bytes - HEADER_LEN - INLAY_TAG;
	struct inlay_packet_seal packets[INLAY_AEAD_BURST];
	inlay_ns start = cpu_time();

	for (size_t i = 0; i < n; i += m) {
		for (m = 0; m < INLAY_AEAD_BURST && i + m < n; m++) {
			const struct inlay_subscriber *s = f->subs[(i + m) % f->n];
			const struct local_sa *sa = l->slots[s->sa].sa;

			packets[m] = (struct inlay_packet_seal){
				.key = sa->phases[PHASE_CURRENT].key,
				.hp = sa->hp,
				.pn = f->next_alone++,
				.payload = f->stage,
				.payload_len = (__u32)body,
				.header_len = HEADER_LEN,
				.pn_len = INLAY_TX_PN,
				.dst = f->buffers[(i + m) % BUFFERS].data,
			};
		}
		inlay_protection_seal(&l->aead, packets, m);
	}
	return (double)(cpu_time() - start) / (double)n;
}

/* The same by the provider's operation, with prefixes: what its checks, window and lock cost. */
static double sample_provider(struct fixture *f)
{
	size_t n = groups_of(f) * GROUP * f->n, m;
	size_t body = f->o->bytes - HEADER_LEN - STREAM_LEN - INLAY_TAG;
	struct inlay_seal_item items[BUFFERS];
	inlay_ns sum = 0, start;

	for (size_t i = 0; i < n; i += m) {
		for (m = 0; m < BUFFERS && i + m < n; m++) {
			struct inlay_subscriber *s = f->subs[(i + m) % f->n];
			__u8 *dst = f->buffers[m].data;
			__u64 pn = s->next_pn++; /* the provider refuses old ones */

			memcpy(dst,
			       s->headers[0].bytes + s->headers[0].l2_len + s->headers[0].ip_len +
				       INLAY_NET_UDP_LEN,
			       HEADER_LEN);
			memcpy(dst + HEADER_LEN - 4, &(__u32){__builtin_bswap32((__u32)pn)}, 4);
			items[m] = (struct inlay_seal_item){
				.header = dst,
				.header_len = HEADER_LEN,
				.prefix = dst + HEADER_LEN,
				.prefix_len = STREAM_LEN,
				.payload = f->stage,
				.payload_len = body,
				.dst = dst,
				.dst_room = INLAY_FRAME_ROOM,
				.sa = {.number = s->sa, .generation = s->sa_generation},
				.pn = pn,
				.remote = s->headers[0].path.remote,
			};
		}
		start = cpu_time();
		must(f->provider->ops->seal(f->provider, items, m) == m, "not sealed");
		sum += cpu_time() - start;
	}
	return (double)sum / (double)n;
}

static void run(struct fixture *f)
{
	struct bench_series copy = {.n = 0}, seal = {.n = 0}, provider = {.n = 0};

	for (int i = 0; i < f->o->samples; i++) {
		bench_series_add(&copy, sample_copies(f));
		bench_series_add(&seal, sample_seals(f));
		bench_series_add(&provider, sample_provider(f));
	}
	bench_series_add(&f->copy, bench_series_median(&copy));
	bench_series_add(&f->seal, bench_series_median(&seal));
	bench_series_add(&f->provider_seal, bench_series_median(&provider));
}

/* --- Results ------------------------------------------------------------------------------------
 */

static int report(const struct options *o, const struct bench_host *host,
		  const struct fixture *fixtures, size_t n)
{
	json_t *root = bench_meta(host, "fanout", o->runs);
	json_t *rows = json_object_get(root, "rows");

	printf("%-6s %6s %9s %7s %9s %7s %7s %12s\n", "family", "n", "ns_copy", "spread", "ns_seal",
	       "spread", "ratio", "ns_provider");
	for (size_t i = 0; i < n; i++) {
		const struct fixture *f = &fixtures[i];
		double copy = bench_series_median(&f->copy), seal = bench_series_median(&f->seal);
		double provider = bench_series_median(&f->provider_seal);
		const char *family = f->version == 4 ? "ipv4" : "ipv6";

		printf("%-6s %6zu %9.1f %6.1f%% %9.1f %6.1f%% %7.2f %12.1f\n", family, f->n, copy,
		       100 * bench_series_spread(&f->copy), seal,
		       100 * bench_series_spread(&f->seal), copy / seal, provider);
		json_array_append_new(rows, json_pack("{s:i, s:s, s:f, s:f, s:f, s:f, s:f}", "n",
						      (int)f->n, "family", family, "ns_copy", copy,
						      "ns_seal", seal, "spread_copy",
						      bench_series_spread(&f->copy), "spread_seal",
						      bench_series_spread(&f->seal)));
	}
	json_object_set_new(root, "bytes", json_integer((json_int_t)o->bytes));
	json_object_set_new(root, "burst", json_integer((json_int_t)o->burst));
	json_object_set_new(root, "backend",
			    json_string(inlay_provider_local_backend(fixtures[0].provider)));
	return bench_write_json(root, o->json);
}

/* --- Main ---------------------------------------------------------------------------------------
 */

static int usage(void)
{
	fprintf(stderr, "usage: fanout_bench [--json FILE] [--runs N] [--samples N] [--bytes N] "
			"[--burst PACKETS] [--cpu N] [--only N]\n");
	return 2;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"json", required_argument, NULL, 'j'},	   {"runs", required_argument, NULL, 'r'},
		{"samples", required_argument, NULL, 's'}, {"bytes", required_argument, NULL, 'b'},
		{"burst", required_argument, NULL, 'u'},   {"cpu", required_argument, NULL, 'c'},
		{"only", required_argument, NULL, 'o'},	   {NULL, 0, NULL, 0},
	};
	long runs = o->runs, samples = o->samples, bytes = (long)o->bytes, burst = (long)o->burst,
	     cpu = o->cpu, only = 0;
	bool ok = true;
	int c;

	while (ok && (c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'j')
			o->json = optarg;
		else if (c == 'r')
			ok = bench_parse_number(optarg, 1, BENCH_MAX_RUNS, &runs);
		else if (c == 's')
			ok = bench_parse_number(optarg, 1, BENCH_MAX_RUNS, &samples);
		else if (c == 'b')
			ok = bench_parse_number(optarg, 200, 1400, &bytes);
		else if (c == 'u')
			ok = bench_parse_number(optarg, 1, INLAY_PORT_BURST, &burst);
		else if (c == 'c')
			ok = bench_parse_number(optarg, 0, 1023, &cpu);
		else if (c == 'o')
			ok = bench_parse_number(optarg, 1, MOST, &only);
		else
			ok = false;
	}
	o->runs = (int)runs;
	o->samples = (int)samples;
	o->bytes = (size_t)bytes;
	o->burst = (size_t)burst;
	o->cpu = (int)cpu;
	o->only = (size_t)only;
	return ok && optind == argc;
}

int main(int argc, char **argv)
{
	static const size_t sizes[] = {1, 8, 64, 256, MOST};
	struct options o = {.bytes = 1200, .burst = 1, .runs = 11, .samples = 15, .cpu = -1};
	static struct fixture fixtures[2 * INLAY_ARRAY_SIZE(sizes)];
	size_t n = INLAY_ARRAY_SIZE(fixtures);
	struct bench_host host;
	int r, err;

	if (!parse_options(argc, argv, &o))
		return usage();
	bench_host_init(&host, o.cpu);
	if (o.only)
		n = 1;
	if (o.only)
		fixture_init(&fixtures[0], &o, o.only, 4);
	for (size_t i = 0; i < n && !o.only; i++)
		fixture_init(&fixtures[i], &o, sizes[i % INLAY_ARRAY_SIZE(sizes)],
			     i < INLAY_ARRAY_SIZE(sizes) ? 4 : 6);
	/* The first run warms up. */
	for (r = -1; r < o.runs; r++)
		for (size_t i = 0; i < n; i++) {
			if (r == 0)
				fixtures[i].copy.n = fixtures[i].seal.n =
					fixtures[i].provider_seal.n = 0;
			run(&fixtures[i]);
		}
	bench_print_host(&host, o.runs);
	printf("%zu-byte packets, %zu forwarded at a time, sealed by %s\n", o.bytes, o.burst,
	       inlay_provider_local_backend(fixtures[0].provider));
	err = report(&o, &host, fixtures, n);
	for (size_t i = 0; i < n; i++)
		fixture_fini(&fixtures[i]);
	if (err)
		fprintf(stderr, "fanout_bench: %s: %s\n", o.json, strerror(-err));
	return err ? 1 : 0;
}
