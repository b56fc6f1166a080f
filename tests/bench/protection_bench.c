/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Nanoseconds a packet, sealing and opening, with a different key each time: what a relay does that
 * sends one packet to many subscribers. Each backend and cipher, at three heights:
 *
 *   aead      the cipher alone
 *   packet    packet protection: cipher, nonce and header protection (the rows of the JSON)
 *   provider  the provider's operation: lookup, checks, window and lock as well
 *
 * and the floor under all of them: a copy of the same bytes.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "protection.h"
#include "provider_local.h"

#define HEADER_LEN (1 + INLAY_OWN_CID + INLAY_TX_PN)
#define BURST	   INLAY_AEAD_BURST
#define ROOM	   2048

enum height { COPY, AEAD, PACKET, PROVIDER };

static const char *const height_names[] = {"copy", "aead", "packet", "provider"};

struct options {
	const char *json;
	size_t keys;
	size_t bytes; /* of a packet on the wire */
	int runs;
	int passes;
	int cpu;
};

/* Everything of one backend and cipher. */
struct fixture {
	const struct options *o;
	enum inlay_cipher cipher;
	struct inlay_aead aead;
	__u8 *seal_keys, *open_keys, *hps; /* o->keys of each */
	struct inlay_provider *provider;
	struct inlay_sa_ref *tx;
	struct inlay_cid *cids;
	__u8 *plain, *sealed, *work; /* o->keys packets of ROOM bytes each */
	__u64 next_pn;
};

struct contender {
	enum height height;
	bool open;
	struct fixture *f;
	struct bench_series series;
};

static const char *const backends[] = {"libcrypto", "ipsec-mb"};
static const enum inlay_cipher ciphers[] = {
	INLAY_AES_128_GCM,
	INLAY_AES_256_GCM,
	INLAY_CHACHA20_POLY1305,
};
static const char *const cipher_names[] = {
	[INLAY_AES_128_GCM] = "aes-128-gcm",
	[INLAY_AES_256_GCM] = "aes-256-gcm",
	[INLAY_CHACHA20_POLY1305] = "chacha20-poly1305",
};

static void must(bool condition, const char *what)
{
	if (condition)
		return;
	fprintf(stderr, "protection_bench: %s\n", what);
	exit(1);
}

static __u8 *allocate(size_t n, size_t size)
{
	void *p = NULL;

	must(posix_memalign(&p, INLAY_AEAD_ALIGN, n * size) == 0, "no memory");
	memset(p, 0, n * size);
	return p;
}

/* --- Fixtures -----------------------------------------------------------------------------------
 */

static struct inlay_packet_key *key_at(const struct fixture *f, __u8 *keys, size_t i)
{
	return (struct inlay_packet_key *)(keys + i * inlay_packet_key_size(&f->aead));
}

static void *hp_at(const struct fixture *f, size_t i)
{
	size_t stride = (f->aead.backend->mask_size + 63) / 64 * 64;

	return f->hps + i * stride;
}

static void fill_keys(struct fixture *f, size_t i, struct inlay_keys *keys, __u8 *hp)
{
	memset(keys, (int)i + 1, sizeof(*keys));
	memcpy(keys->key, &i, sizeof(i));
	memset(hp, (int)i + 2, INLAY_KEY_MAX);
	memcpy(&f->cids[i].data, &i, sizeof(i));
	f->cids[i].len = INLAY_OWN_CID;
}

static void add_key(struct fixture *f, size_t i)
{
	struct inlay_sa_params params = {.cipher = f->cipher, .cids = &f->cids[i], .n_cids = 1};
	struct inlay_provider *p = f->provider;
	struct inlay_sa_ref rx;
	int err;

	fill_keys(f, i, &params.keys, params.hp);
	err = inlay_packet_key_init(&f->aead, key_at(f, f->seal_keys, i), f->cipher, true,
				    &params.keys);
	err |= inlay_packet_key_init(&f->aead, key_at(f, f->open_keys, i), f->cipher, false,
				     &params.keys);
	err |= f->aead.backend->mask_init(f->aead.instance, hp_at(f, i), f->cipher, params.hp);
	params.direction = INLAY_TX;
	err |= p->ops->sa_add(p, &params, &f->tx[i]);
	params.direction = INLAY_RX;
	err |= p->ops->sa_add(p, &params, &rx);
	must(err == 0, "keys could not be installed");
}

static void write_header(__u8 *packet, const struct inlay_cid *cid, __u64 pn)
{
	__u32 be = __builtin_bswap32((__u32)pn);

	packet[0] = 0x43;
	memcpy(packet + 1, cid->data, INLAY_OWN_CID);
	memcpy(packet + 1 + INLAY_OWN_CID, &be, sizeof(be));
}

static void fixture_init(struct fixture *f, const struct options *o, const char *backend,
			 enum inlay_cipher cipher)
{
	const struct inlay_provider_local_config config = {
		.max_sa = (__u32)(2 * o->keys),
		.max_cids = (__u32)o->keys,
		.backend = backend,
	};
	size_t i;

	f->o = o;
	f->cipher = cipher;
	must(inlay_aead_init(&f->aead, backend) == 0, "the backend does not start");
	f->provider = inlay_provider_local_new(&config);
	must(f->provider != NULL, "the provider does not start");
	f->seal_keys = allocate(o->keys, inlay_packet_key_size(&f->aead));
	f->open_keys = allocate(o->keys, inlay_packet_key_size(&f->aead));
	f->hps = allocate(o->keys, (f->aead.backend->mask_size + 63) / 64 * 64);
	f->tx = (struct inlay_sa_ref *)allocate(o->keys, sizeof(*f->tx));
	f->cids = (struct inlay_cid *)allocate(o->keys, sizeof(*f->cids));
	f->plain = allocate(o->keys, ROOM);
	f->sealed = allocate(o->keys, ROOM);
	f->work = allocate(o->keys, ROOM);
	for (i = 0; i < o->keys; i++) {
		add_key(f, i);
		memset(f->plain + i * ROOM + HEADER_LEN, (int)i, ROOM - HEADER_LEN);
	}
}

static void fixture_fini(struct fixture *f)
{
	size_t i;

	for (i = 0; i < f->o->keys; i++) {
		inlay_packet_key_fini(&f->aead, key_at(f, f->seal_keys, i));
		inlay_packet_key_fini(&f->aead, key_at(f, f->open_keys, i));
		f->aead.backend->mask_fini(f->aead.instance, hp_at(f, i));
	}
	f->provider->ops->free(f->provider);
	inlay_aead_fini(&f->aead);
	free(f->seal_keys);
	free(f->open_keys);
	free(f->hps);
	free(f->tx);
	free(f->cids);
	free(f->plain);
	free(f->sealed);
	free(f->work);
}

/* --- One burst at each height -------------------------------------------------------------------
 */

static size_t payload_len(const struct fixture *f)
{
	return f->o->bytes - HEADER_LEN - INLAY_TAG;
}

static size_t burst_copy(struct fixture *f, size_t first, size_t n)
{
	size_t i;

	for (i = first; i < first + n; i++)
		memcpy(f->work + i * ROOM, f->sealed + i * ROOM, f->o->bytes);
	return n;
}

static size_t burst_aead(struct fixture *f, size_t first, size_t n, bool open)
{
	struct inlay_aead_item items[BURST];
	size_t i, ok = 0;

	for (i = 0; i < n; i++) {
		__u8 *packet = f->work + (first + i) * ROOM;
		struct inlay_packet_key *key =
			key_at(f, open ? f->open_keys : f->seal_keys, first + i);

		items[i] = (struct inlay_aead_item){
			.key = key->context,
			.aad = packet,
			.aad_len = HEADER_LEN,
			.in = packet + HEADER_LEN,
			.out = packet + HEADER_LEN,
			.len = (__u32)payload_len(f),
			.tag = packet + HEADER_LEN + payload_len(f),
		};
		memcpy(items[i].nonce, key->iv, INLAY_IV);
	}
	if (open)
		f->aead.backend->open(f->aead.instance, items, n);
	else
		f->aead.backend->seal(f->aead.instance, items, n);
	for (i = 0; i < n; i++)
		ok += items[i].ok;
	/* Opening what was sealed under another nonce fails, and costs the same. */
	return open ? n : ok;
}

static size_t burst_packet_seal(struct fixture *f, size_t first, size_t n)
{
	struct inlay_packet_seal packets[BURST];
	size_t i, ok = 0;

	for (i = 0; i < n; i++) {
		__u8 *packet = f->work + (first + i) * ROOM;

		packets[i] = (struct inlay_packet_seal){
			.key = key_at(f, f->seal_keys, first + i),
			.hp = hp_at(f, first + i),
			.pn = f->next_pn,
			.payload = packet + HEADER_LEN,
			.payload_len = (__u32)payload_len(f),
			.header_len = HEADER_LEN,
			.pn_len = INLAY_TX_PN,
			.dst = packet,
		};
	}
	inlay_protection_seal(&f->aead, packets, n);
	for (i = 0; i < n; i++)
		ok += packets[i].ok;
	return ok;
}

static size_t burst_packet_open(struct fixture *f, size_t first, size_t n)
{
	struct inlay_packet_open packets[BURST];
	size_t i, ok = 0;

	for (i = 0; i < n; i++)
		packets[i] = (struct inlay_packet_open){
			.packet = f->work + (first + i) * ROOM,
			.len = f->o->bytes,
			.pn_offset = 1 + INLAY_OWN_CID,
			.hp = hp_at(f, first + i),
		};
	inlay_protection_unmask(&f->aead, packets, n);
	for (i = 0; i < n; i++) {
		packets[i].key = key_at(f, f->open_keys, first + i);
		packets[i].pn = inlay_protection_recover_pn(f->next_pn, packets[i].truncated,
							    packets[i].pn_len);
	}
	inlay_protection_open(&f->aead, packets, n);
	for (i = 0; i < n; i++)
		ok += packets[i].ok;
	return ok;
}

static size_t burst_provider_seal(struct fixture *f, size_t first, size_t n)
{
	struct inlay_seal_item items[BURST];
	size_t i;

	for (i = 0; i < n; i++) {
		__u8 *packet = f->work + (first + i) * ROOM;

		items[i] = (struct inlay_seal_item){
			.header = packet,
			.header_len = HEADER_LEN,
			.payload = packet + HEADER_LEN,
			.payload_len = payload_len(f),
			.dst = packet,
			.dst_room = ROOM,
			.sa = f->tx[first + i],
			.pn = f->next_pn,
		};
	}
	return f->provider->ops->seal(f->provider, items, n);
}

static size_t burst_provider_open(struct fixture *f, size_t first, size_t n)
{
	struct inlay_open_item items[BURST];
	size_t i;

	for (i = 0; i < n; i++)
		items[i] = (struct inlay_open_item){
			.packet = f->work + (first + i) * ROOM,
			.len = f->o->bytes,
		};
	return f->provider->ops->open(f->provider, items, n);
}

static size_t burst(const struct contender *c, size_t first, size_t n)
{
	switch (c->height) {
	case COPY:
		return burst_copy(c->f, first, n);
	case AEAD:
		return burst_aead(c->f, first, n, c->open);
	case PACKET:
		return c->open ? burst_packet_open(c->f, first, n)
			       : burst_packet_seal(c->f, first, n);
	case PROVIDER:
		return c->open ? burst_provider_open(c->f, first, n)
			       : burst_provider_seal(c->f, first, n);
	}
	return 0;
}

/* --- Runs ---------------------------------------------------------------------------------------
 */

/* Packets as the burst wants them, outside the measured time: fresh plain ones to seal, under a
 * number that no key saw before; or sealed ones to open. */
static void prepare(const struct contender *c)
{
	struct fixture *f = c->f;
	size_t i;

	if (!c->open)
		f->next_pn++;
	for (i = 0; i < f->o->keys; i++) {
		__u8 *packet = f->work + i * ROOM;

		memcpy(packet, (c->open ? f->sealed : f->plain) + i * ROOM, f->o->bytes);
		if (!c->open)
			write_header(packet, &f->cids[i], f->next_pn);
	}
}

static inlay_ns pass(const struct contender *c)
{
	size_t keys = c->f->o->keys, first, n, ok = 0;
	inlay_ns start;

	prepare(c);
	start = bench_now();
	for (first = 0; first < keys; first += n) {
		n = keys - first < BURST ? keys - first : BURST;
		ok += burst(c, first, n);
	}
	start = bench_now() - start;
	must(ok == keys, "a packet was not sealed or opened");
	return start;
}

static void run(struct contender *c)
{
	struct bench_series passes = {.n = 0};
	int i;

	/* A pass takes some 100 us: one that the scheduler interrupted is not the median one. */
	for (i = 0; i < c->f->o->passes; i++)
		bench_series_add(&passes, (double)pass(c) / (double)c->f->o->keys);
	bench_series_add(&c->series, bench_series_median(&passes));
}

/* What the opening contenders open. */
static void seal_all(struct fixture *f)
{
	const struct contender c = {.height = PACKET, .f = f};

	pass(&c);
	memcpy(f->sealed, f->work, f->o->keys * ROOM);
}

/* --- Results ------------------------------------------------------------------------------------
 */

static int report(const struct options *o, const struct bench_host *host,
		  const struct contender *contenders, size_t n)
{
	json_t *root = bench_meta(host, "protection", o->runs);
	json_t *rows = json_object_get(root, "rows"), *others = json_array();
	size_t i;

	printf("%-10s %-18s %-5s %-9s %8s %7s\n", "backend", "cipher", "op", "layer", "ns",
	       "spread");
	for (i = 0; i < n; i++) {
		const struct contender *c = &contenders[i];
		const char *backend = c->height == COPY ? "-" : c->f->aead.backend->name;
		const char *cipher = c->height == COPY ? "-" : cipher_names[c->f->cipher];
		const char *op = c->height == COPY ? "copy" : c->open ? "open" : "seal";
		double ns = bench_series_median(&c->series);
		double spread = bench_series_spread(&c->series);

		printf("%-10s %-18s %-5s %-9s %8.1f %6.1f%%\n", backend, cipher, op,
		       height_names[c->height], ns, 100 * spread);
		json_array_append_new(c->height == PACKET ? rows : others,
				      json_pack("{s:s, s:s, s:s, s:s, s:f, s:f}", "backend",
						backend, "cipher", cipher, "op", op, "layer",
						height_names[c->height], "ns", ns, "spread",
						spread));
	}
	json_object_set_new(root, "bytes", json_integer((json_int_t)o->bytes));
	json_object_set_new(root, "keys", json_integer((json_int_t)o->keys));
	json_object_set_new(root, "other_rows", others);
	return bench_write_json(root, o->json);
}

static double median_of(const struct contender *contenders, size_t n, const char *backend)
{
	size_t i;

	for (i = 0; i < n; i++)
		if (contenders[i].height == PACKET && !contenders[i].open &&
		    contenders[i].f->cipher == INLAY_AES_128_GCM &&
		    strcmp(contenders[i].f->aead.backend->name, backend) == 0)
			return bench_series_median(&contenders[i].series);
	return 0;
}

static void print_ratio(const struct contender *contenders, size_t n)
{
	double fast = median_of(contenders, n, "ipsec-mb");
	double slow = median_of(contenders, n, "libcrypto");

	if (fast > 0 && slow > 0)
		printf("sealing aes-128-gcm: ipsec-mb takes %.2f of libcrypto's time (aim: 0.45)\n",
		       fast / slow);
	else
		printf("ipsec-mb is not available here\n");
}

/* --- Main ---------------------------------------------------------------------------------------
 */

static int usage(void)
{
	fprintf(stderr, "usage: protection_bench [--json FILE] [--runs N] [--keys N] [--bytes N] "
			"[--passes N] [--cpu N]\n");
	return 2;
}

static bool parse_options(int argc, char **argv, struct options *o)
{
	static const struct option longs[] = {
		{"json", required_argument, NULL, 'j'},
		{"runs", required_argument, NULL, 'r'},
		{"keys", required_argument, NULL, 'k'},
		{"bytes", required_argument, NULL, 'b'},
		{"passes", required_argument, NULL, 'p'},
		{"cpu", required_argument, NULL, 'c'},
		{NULL, 0, NULL, 0},
	};
	long v = 0;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		bool ok = true;

		switch (c) {
		case 'j':
			o->json = optarg;
			break;
		case 'r':
			ok = bench_parse_number(optarg, 1, BENCH_MAX_RUNS, &v);
			o->runs = (int)v;
			break;
		case 'k':
			ok = bench_parse_number(optarg, 1, 100000, &v);
			o->keys = (size_t)v;
			break;
		case 'b':
			ok = bench_parse_number(optarg, HEADER_LEN + 1 + INLAY_TAG, ROOM, &v);
			o->bytes = (size_t)v;
			break;
		case 'p':
			ok = bench_parse_number(optarg, 1, BENCH_MAX_RUNS, &v);
			o->passes = (int)v;
			break;
		case 'c':
			ok = bench_parse_number(optarg, 0, 1023, &v);
			o->cpu = (int)v;
			break;
		default:
			ok = false;
		}
		if (!ok)
			return false;
	}
	return optind == argc;
}

static size_t add_contenders(struct contender *c, struct fixture *f, bool with_copy)
{
	enum height height;
	size_t n = 0;
	int open;

	if (with_copy)
		c[n++] = (struct contender){.height = COPY, .f = f};
	for (height = AEAD; height <= PROVIDER; height++)
		for (open = 0; open < 2; open++)
			c[n++] = (struct contender){.height = height, .open = open, .f = f};
	return n;
}

int main(int argc, char **argv)
{
	struct options o = {.keys = 512, .bytes = 1200, .runs = 15, .passes = 20, .cpu = -1};
	static struct fixture fixtures[6];
	static struct contender contenders[6 * 6 + 1];
	size_t n_fixtures = 0, n = 0, i, k;
	struct bench_host host;
	int r, err;

	if (!parse_options(argc, argv, &o))
		return usage();
	bench_host_init(&host, o.cpu);
	for (i = 0; i < INLAY_ARRAY_SIZE(backends); i++) {
		if (i == 1 && inlay_aead_ipsec_mb.probe() != 0)
			continue;
		for (k = 0; k < INLAY_ARRAY_SIZE(ciphers); k++) {
			struct fixture *f = &fixtures[n_fixtures];

			fixture_init(f, &o, backends[i], ciphers[k]);
			seal_all(f);
			n += add_contenders(contenders + n, f, n_fixtures++ == 0);
		}
	}
	/* The first run warms up. */
	for (r = -1; r < o.runs; r++)
		for (i = 0; i < n; i++) {
			if (r == 0)
				contenders[i].series.n = 0;
			run(&contenders[i]);
		}
	bench_print_host(&host, o.runs);
	printf("%zu keys in turn, %zu-byte packets, bursts of %d\n", o.keys, o.bytes, BURST);
	err = report(&o, &host, contenders, n);
	print_ratio(contenders, n);
	for (i = 0; i < n_fixtures; i++)
		fixture_fini(&fixtures[i]);
	if (err)
		fprintf(stderr, "protection_bench: %s: %s\n", o.json, strerror(-err));
	return err ? 1 : 0;
}
