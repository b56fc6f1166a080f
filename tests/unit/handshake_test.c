/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Handshakes in memory: ours with ours, and ours in either role with an unmodified libngtcp2, over
 * links that lose; what must fail; and that the 1-RTT secrets are the same at both ends, and gone
 * afterwards.
 */
#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <setjmp.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <ngtcp2/ngtcp2.h>

#include "handshake_pair.h"
#include "peer_pair.h"
#include "provider_local.h"

#define PATIENCE (100000 * INLAY_S) /* time-outs back off, and a seed may lose ten rounds */
#define STORE	 64

static const char *const alpn[] = {"moqt-18"};
static const char *const other_alpn[] = {"h3"};

static struct {
	struct pair_certificate files;
	struct inlay_tls *server;
	struct inlay_tls *client; /* trusts the server's certificate */
	struct inlay_keystore *keystore;
	struct inlay_transport_params params[2];
	char key_log[80]; /* what SSLKEYLOGFILE names */
} t;

/* --- Setting up ----------------------------------------------------------------------------- */

static struct inlay_tls *new_tls(struct inlay_tls_config config)
{
	struct inlay_tls *tls = NULL;
	char text[256] = "";

	if (!config.alpn) {
		config.alpn = alpn;
		config.n_alpn = 1;
	}
	if (inlay_tls_new(&config, text, sizeof(text), &tls))
		fail_msg("%s", text);
	return tls;
}

static struct inlay_tls *new_server_tls(const enum inlay_cipher *cipher)
{
	return new_tls((struct inlay_tls_config){.role = INLAY_SERVER,
						 .cert_file = t.files.cert,
						 .key_file = t.files.key,
						 .ciphers = cipher,
						 .n_ciphers = cipher ? 1 : 0});
}

static struct inlay_tls *new_client_tls(const enum inlay_cipher *cipher)
{
	return new_tls((struct inlay_tls_config){.role = INLAY_CLIENT,
						 .ca_file = t.files.cert,
						 .ciphers = cipher,
						 .n_ciphers = cipher ? 1 : 0});
}

static int set_up(void **state)
{
	if (pair_certificate_make(&t.files))
		return -1;
	/* GnuTLS looks at it once, before the first secret. */
	snprintf(t.key_log, sizeof(t.key_log), "%s/keys.log", t.files.dir);
	setenv("SSLKEYLOGFILE", t.key_log, 1);
	t.server = new_server_tls(NULL);
	t.client = new_client_tls(NULL);
	t.keystore = inlay_keystore_new(STORE);
	if (!t.keystore)
		return -1;
	for (int i = 0; i < 2; i++)
		t.params[i] = (struct inlay_transport_params){
			.initial_max_data = 1000001 + (__u64)i,
			.initial_max_stream_data_bidi_local = 20002 + (__u64)i,
			.initial_max_stream_data_bidi_remote = 30003 + (__u64)i,
			.initial_max_stream_data_uni = 40004 + (__u64)i,
			.initial_max_streams_bidi = 11 + (__u64)i,
			.initial_max_streams_uni = 21 + (__u64)i,
			.max_idle_timeout = (30 + (inlay_ns)i) * INLAY_S,
			.max_udp_payload_size = 1400 + (__u64)i,
			.active_connection_id_limit = 3 + (__u64)i,
			.ack_delay_exponent = 2 + (__u64)i,
			.max_ack_delay = (20 + (inlay_ns)i) * INLAY_MS,
			.max_datagram_frame_size = 65500 + (__u64)i,
			.disable_active_migration = i == 1,
			.has_stateless_reset_token = i == 1,
			.stateless_reset_token = {9, 8, 7, 6, 5, 4, 3, 2, 1},
			.has_min_ack_delay = true,
			.min_ack_delay = (5 + (inlay_ns)i) * INLAY_MS,
			.reset_stream_at = i == 1,
		};
	return 0;
}

static int tear_down(void **state)
{
	inlay_tls_free(t.server);
	inlay_tls_free(t.client);
	inlay_keystore_free(t.keystore);
	unlink(t.key_log); /* of peers, which are free to log */
	pair_certificate_remove(&t.files);
	return 0;
}

/* Every place can be taken again: nobody left a secret. */
static void assert_store_is_empty(void)
{
	inlay_secret secrets[STORE];

	for (int i = 0; i < STORE; i++)
		assert_int_equal(inlay_keystore_add(t.keystore, INLAY_AES_128_GCM, &secrets[i]), 0);
	for (int i = 0; i < STORE; i++)
		inlay_keystore_del(t.keystore, secrets[i]);
}

static void use_ours(struct hs_pair *p, int i, struct inlay_tls *tls)
{
	struct hs_end *e = &p->end[i];

	e->config = (struct inlay_handshake_config){
		.tls = tls,
		.keystore = t.keystore,
		.params = &t.params[i],
		.path = e->path,
		.own_cid = {.len = INLAY_OWN_CID, .data = {(__u8)(0xc0 + i), 2, 3, 4, 5, 6, 7, 8}},
		.host = i ? NULL : "localhost",
	};
	if (!i)
		assert_int_equal(inlay_handshake_new_client(&e->config, p->now, &e->hs), 0);
}

/* A client whose configuration was changed after all. */
static void start_again(struct hs_pair *p, int i)
{
	struct hs_end *e = &p->end[i];

	inlay_handshake_free(e->hs);
	e->hs = NULL;
	if (!i)
		assert_int_equal(inlay_handshake_new_client(&e->config, p->now, &e->hs), 0);
}

static void use_peer(struct hs_pair *p, int i, struct inlay_peer_config config)
{
	static const struct inlay_peer_ops no_ops;
	struct hs_end *e = &p->end[i];

	config.ops = &no_ops;
	config.role = i ? INLAY_SERVER : INLAY_CLIENT;
	config.path = e->path;
	config.server_name = i ? NULL : "localhost";
	config.ca_file = i ? NULL : t.files.cert;
	config.cert_file = i ? t.files.cert : NULL;
	config.key_file = i ? t.files.key : NULL;
	config.handshake_timeout = PATIENCE;
	assert_int_equal(inlay_peer_new(&config, p->now, &e->peer), 0);
}

static enum inlay_handshake_state state_of(const struct hs_pair *p, int i)
{
	return inlay_handshake_state(p->end[i].hs);
}

static const struct inlay_handshake_failure *failure_of(const struct hs_pair *p, int i)
{
	assert_int_equal(state_of(p, i), INLAY_HANDSHAKE_FAILED);
	return inlay_handshake_failure(p->end[i].hs);
}

/* --- Keys ----------------------------------------------------------------------------------- */

static struct inlay_provider *new_provider(void)
{
	struct inlay_provider_local_config config = {.max_sa = 8, .max_cids = 8};
	struct inlay_provider *provider = inlay_provider_local_new(&config);

	assert_non_null(provider);
	return provider;
}

static struct inlay_sa_ref plumb(struct inlay_provider *p, const struct inlay_handover *h,
				 enum inlay_direction direction)
{
	struct inlay_sa_params params = {
		.direction = direction,
		.path = h->path,
		.cids = direction == INLAY_RX ? &h->own_cid : &h->peer_cid,
		.n_cids = 1,
	};
	struct inlay_sa_ref sa = {0};

	assert_int_equal(inlay_keystore_plumb(t.keystore, h->secret, p, &params, &sa), 0);
	return sa;
}

/* What |from| seals, |to| opens. */
static void assert_passes(const struct inlay_handover *from, const struct inlay_handover *to)
{
	struct inlay_provider *sealer = new_provider(), *opener = new_provider();
	struct inlay_sa_ref tx = plumb(sealer, from, INLAY_TX);
	static const __u8 payload[40] = {0x01, 0x02, 0x03};
	struct inlay_seal_item seal = {
		.payload = payload, .payload_len = sizeof(payload), .sa = tx};
	struct inlay_open_item open = {.local = to->path.local};
	__u8 header[1 + INLAY_CID_MAX + 4] = {0x43};
	__u8 packet[128];

	plumb(opener, to, INLAY_RX);
	memcpy(header + 1, from->peer_cid.data, from->peer_cid.len);
	seal.header = header;
	seal.header_len = 1U + from->peer_cid.len + 4U;
	seal.dst = packet;
	seal.dst_room = sizeof(packet);
	seal.remote = from->path.remote;
	assert_int_equal(sealer->ops->seal(sealer, &seal, 1), 1);
	open.packet = packet;
	open.len = seal.header_len + sizeof(payload) + INLAY_TAG;
	assert_int_equal(opener->ops->open(opener, &open, 1), 1);
	assert_memory_equal(packet + seal.header_len, payload, sizeof(payload));
	sealer->ops->free(sealer);
	opener->ops->free(opener);
}

/* The 1-RTT packets that the foreign end sent along open with our keys. */
static void assert_opens(const struct hs_end *e, const struct inlay_handover *h)
{
	struct inlay_provider *provider = new_provider();

	plumb(provider, h, INLAY_RX);
	assert_true(e->n_shorts > 0);
	for (size_t i = 0; i < e->n_shorts; i++) {
		struct hs_packet copy = e->shorts[i];
		struct inlay_open_item item = {
			.packet = copy.data, .len = copy.len, .local = h->path.local};

		assert_int_equal(provider->ops->open(provider, &item, 1), 1);
	}
	provider->ops->free(provider);
}

static void assert_params(const struct inlay_transport_params *a,
			  const struct inlay_transport_params *b)
{
	assert_memory_equal(a, b,
			    offsetof(struct inlay_transport_params, disable_active_migration));
	assert_int_equal(a->disable_active_migration, b->disable_active_migration);
	assert_int_equal(a->has_stateless_reset_token, b->has_stateless_reset_token);
	if (b->has_stateless_reset_token)
		assert_memory_equal(a->stateless_reset_token, b->stateless_reset_token, 16);
}

static void assert_extensions(const struct inlay_transport_params *a,
			      const struct inlay_transport_params *b)
{
	assert_int_equal(a->has_min_ack_delay, b->has_min_ack_delay);
	assert_true(a->min_ack_delay == b->min_ack_delay);
	assert_int_equal(a->reset_stream_at, b->reset_stream_at);
}

/* --- What must work ------------------------------------------------------------------------- */

static const enum inlay_cipher ciphers[] = {INLAY_AES_128_GCM, INLAY_AES_256_GCM,
					    INLAY_CHACHA20_POLY1305};
static const char *const peer_ciphers[] = {"+AES-128-GCM", "+AES-256-GCM", "+CHACHA20-POLY1305"};

static void ours_with_ours(void **state)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(ciphers); i++) {
		struct inlay_tls *tls = new_client_tls(&ciphers[i]);
		struct hs_pair *p = hs_pair_new(1);
		struct inlay_handover c, s;

		use_ours(p, 0, tls);
		use_ours(p, 1, t.server);
		assert_true(hs_run(p, 5 * INLAY_S));
		assert_int_equal(inlay_handshake_result(p->end[0].hs, &c), 0);
		assert_int_equal(inlay_handshake_result(p->end[1].hs, &s), 0);
		assert_int_equal(inlay_handshake_cipher(p->end[0].hs), ciphers[i]);
		assert_int_equal(inlay_handshake_cipher(p->end[1].hs), ciphers[i]);
		assert_string_equal(c.alpn, "moqt-18");
		assert_string_equal(s.alpn, "moqt-18");
		assert_int_equal(s.version, INLAY_QUIC_V1);
		assert_params(&c.peer, &t.params[1]);
		assert_params(&s.peer, &t.params[0]);
		assert_extensions(&c.peer, &t.params[1]);
		assert_extensions(&s.peer, &t.params[0]);
		assert_memory_equal(&c.peer_cid, &s.own_cid, sizeof(c.peer_cid));
		assert_memory_equal(&s.peer_cid, &c.own_cid, sizeof(c.peer_cid));
		assert_int_equal(c.latest_rtt, 2 * HS_DELAY);
		assert_int_equal(s.latest_rtt, 2 * HS_DELAY);
		assert_passes(&c, &s);
		assert_passes(&s, &c);
		inlay_keystore_del(t.keystore, c.secret);
		inlay_keystore_del(t.keystore, s.secret);
		hs_pair_free(p);
		inlay_tls_free(tls);
		assert_store_is_empty();
	}
}

static off_t size_of_key_log(void)
{
	struct stat st;

	return stat(t.key_log, &st) ? 0 : st.st_size;
}

/* No environment makes us write a secret to a file. */
static void logs_no_keys(void **state)
{
	off_t before = size_of_key_log();
	struct hs_pair *p = hs_pair_new(1);

	use_ours(p, 0, t.client);
	use_ours(p, 1, t.server);
	assert_true(hs_run(p, INLAY_S));
	assert_int_equal(state_of(p, 0), INLAY_HANDSHAKE_COMPLETE);
	assert_int_equal(state_of(p, 1), INLAY_HANDSHAKE_COMPLETE);
	hs_pair_free(p);
	assert_int_equal(size_of_key_log(), before);
}

/* The server's order of preference decides. */
static void server_prefers(void **state)
{
	static const enum inlay_cipher order[] = {INLAY_CHACHA20_POLY1305, INLAY_AES_128_GCM};
	struct inlay_tls *tls = new_tls((struct inlay_tls_config){
		.role = INLAY_SERVER, .self_signed = true, .ciphers = order, .n_ciphers = 2});
	struct inlay_tls *client =
		new_tls((struct inlay_tls_config){.role = INLAY_CLIENT, .insecure = true});
	struct hs_pair *p = hs_pair_new(1);

	use_ours(p, 0, client);
	use_ours(p, 1, tls);
	assert_true(hs_run(p, 5 * INLAY_S));
	assert_int_equal(inlay_handshake_cipher(p->end[0].hs), INLAY_CHACHA20_POLY1305);
	hs_pair_free(p);
	inlay_tls_free(client);
	inlay_tls_free(tls);
	assert_store_is_empty();
}

static void server_with_peer(void **state)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(ciphers); i++) {
		struct hs_pair *p = hs_pair_new(1);
		struct inlay_handover h;

		use_peer(p, 0, (struct inlay_peer_config){.ciphers = peer_ciphers[i]});
		use_ours(p, 1, t.server);
		assert_true(hs_run(p, 5 * INLAY_S));
		assert_true(inlay_peer_is_connected(p->end[0].peer));
		assert_int_equal(inlay_handshake_result(p->end[1].hs, &h), 0);
		assert_int_equal(inlay_handshake_cipher(p->end[1].hs), ciphers[i]);
		assert_extensions(&h.peer, &(struct inlay_transport_params){0});
		/* The peer's 1-RTT acknowledgements and new CIDs come with or after its Finished.
		 */
		hs_run(p, 0);
		p->now += HS_DELAY;
		hs_turn(p, 1);
		assert_opens(&p->end[1], &h);
		inlay_keystore_del(t.keystore, h.secret);
		hs_pair_free(p);
		assert_store_is_empty();
	}
}

static void client_with_peer(void **state)
{
	for (size_t i = 0; i < INLAY_ARRAY_SIZE(ciphers); i++) {
		struct hs_pair *p = hs_pair_new(1);
		struct inlay_handover h;

		use_ours(p, 0, t.client);
		use_peer(p, 1, (struct inlay_peer_config){.ciphers = peer_ciphers[i]});
		assert_true(hs_run(p, 5 * INLAY_S));
		assert_true(inlay_peer_is_connected(p->end[1].peer));
		assert_int_equal(inlay_handshake_result(p->end[0].hs, &h), 0);
		assert_int_equal(inlay_handshake_cipher(p->end[0].hs), ciphers[i]);
		assert_true(h.peer.has_stateless_reset_token);
		assert_extensions(&h.peer, &(struct inlay_transport_params){0});
		p->now += HS_DELAY;
		hs_turn(p, 0);
		assert_opens(&p->end[0], &h); /* HANDSHAKE_DONE among them */
		inlay_keystore_del(t.keystore, h.secret);
		hs_pair_free(p);
		assert_store_is_empty();
	}
}

static void client_after_retry(void **state)
{
	struct hs_pair *p = hs_pair_new(1);

	use_ours(p, 0, t.client);
	use_peer(p, 1, (struct inlay_peer_config){.retry = true});
	assert_true(hs_run(p, 5 * INLAY_S));
	assert_true(inlay_peer_is_connected(p->end[1].peer));
	assert_int_equal(state_of(p, 0), INLAY_HANDSHAKE_COMPLETE);
	hs_pair_free(p);
	assert_store_is_empty();
}

/* Who is foreign: 0: the client, 1: the server, 2: nobody. */
static void over_loss(int foreign, unsigned int loss, __u64 seed)
{
	struct inlay_transport_params params = t.params[0];
	struct hs_pair *p = hs_pair_new(seed);

	p->loss = loss;
	params.max_idle_timeout = PATIENCE;
	for (int i = 0; i < 2; i++) {
		if (foreign == i) {
			use_peer(p, i, (struct inlay_peer_config){.params = params});
			continue;
		}
		use_ours(p, i, i ? t.server : t.client);
		p->end[i].config.timeout = PATIENCE;
		p->end[i].config.params = &params;
		start_again(p, i);
	}
	if (!hs_run(p, PATIENCE))
		fail_msg("foreign %d loss %u seed %llu: not settled", foreign, loss,
			 (unsigned long long)seed);
	for (int i = 0; i < 2; i++) {
		if (p->end[i].peer && !inlay_peer_is_connected(p->end[i].peer))
			fail_msg(
				"foreign %d loss %u seed %llu: the peer gave up at %llu: 0x%llx %s",
				foreign, loss, (unsigned long long)seed, (unsigned long long)p->now,
				(unsigned long long)inlay_peer_close_reason(p->end[i].peer)->code,
				inlay_peer_close_reason(p->end[i].peer)->text);
		if (p->end[i].hs && state_of(p, i) != INLAY_HANDSHAKE_COMPLETE)
			fail_msg("foreign %d loss %u seed %llu: %s", foreign, loss,
				 (unsigned long long)seed,
				 inlay_handshake_failure(p->end[i].hs)->text);
	}
	hs_pair_free(p);
}

static void lossy_links(void **state)
{
	__u64 seeds = getenv("INLAY_FULL") ? 500 : 15;

	for (int foreign = 0; foreign < 3; foreign++)
		for (__u64 seed = 1; seed <= seeds; seed++) {
			over_loss(foreign, 100, seed);
			over_loss(foreign, 400, seed);
		}
	assert_store_is_empty();
}

static bool drop_handshake_of_client(struct hs_pair *p, int from, const __u8 *data, size_t len)
{
	/* Its flight with the Finished may be coalesced behind an Initial that only acknowledges.
	 */
	return from == 0 && p->now > INLAY_S && p->now < 3 * INLAY_S;
}

/* A client is complete before the server is; until it is told otherwise it repeats its Finished. */
static void client_repeats_finished(void **state)
{
	struct hs_pair *p = hs_pair_new(1);
	size_t sent;

	p->drop = drop_handshake_of_client;
	use_ours(p, 0, t.client);
	use_ours(p, 1, t.server);
	assert_true(hs_run(p, 9 * INLAY_S));
	assert_int_equal(state_of(p, 0), INLAY_HANDSHAKE_COMPLETE);
	assert_int_equal(state_of(p, 1), INLAY_HANDSHAKE_COMPLETE);
	assert_true(p->now >= 3 * INLAY_S);
	/* The server is silent now: it has handed over. The client goes on. */
	sent = p->end[0].long_sent;
	assert_true(inlay_handshake_deadline(p->end[0].hs) != INLAY_NEVER);
	p->now = inlay_handshake_deadline(p->end[0].hs);
	hs_turn(p, 0);
	hs_flush(p, 0);
	assert_true(p->end[0].long_sent > sent);
	inlay_handshake_confirmed(p->end[0].hs);
	assert_true(inlay_handshake_deadline(p->end[0].hs) == INLAY_NEVER);
	assert_int_equal(hs_flush(p, 0), 0);
	hs_pair_free(p);
	assert_store_is_empty();
}

/* --- What must fail ------------------------------------------------------------------------- */

/* Against a server of ours with |server|; returns the client's failure text. */
static void assert_refused(struct inlay_tls *client, struct inlay_tls *server, const char *host,
			   const char *words)
{
	const struct inlay_handshake_failure *f;
	struct hs_pair *p = hs_pair_new(1);

	use_ours(p, 0, t.client);
	p->end[0].config.tls = client;
	p->end[0].config.host = host;
	start_again(p, 0);
	use_ours(p, 1, server);
	assert_true(hs_run(p, 5 * INLAY_S));
	f = failure_of(p, 0);
	if (!strstr(f->text, words))
		fail_msg("\"%s\" does not say \"%s\"", f->text, words);
	assert_false(f->by_peer);
	assert_int_equal(f->code & ~0xffULL, INLAY_QUIC_CRYPTO_ERROR);
	/* And the server has heard of it. */
	f = failure_of(p, 1);
	assert_true(f->by_peer);
	assert_true(f->silent);
	hs_pair_free(p);
	assert_store_is_empty();
}

static void wrong_host(void **state)
{
	assert_refused(t.client, t.server, "example.org", "does not match");
	assert_refused(t.client, t.server, "127.0.0.2", "does not match");
}

static void right_address(void **state)
{
	struct hs_pair *p = hs_pair_new(1);

	use_ours(p, 0, t.client);
	p->end[0].config.host = "127.0.0.1";
	start_again(p, 0);
	use_ours(p, 1, t.server);
	assert_true(hs_run(p, 5 * INLAY_S));
	assert_int_equal(state_of(p, 0), INLAY_HANDSHAKE_COMPLETE);
	hs_pair_free(p);
}

static void untrusted_certificate(void **state)
{
	struct inlay_tls *other =
		new_tls((struct inlay_tls_config){.role = INLAY_SERVER, .self_signed = true});

	assert_refused(t.client, other, "localhost", "NOT trusted");
	inlay_tls_free(other);
}

static void expired_certificate(void **state)
{
	struct inlay_tls_config config = {.role = INLAY_SERVER,
					  .self_signed = true,
					  .not_before = 1600000000,
					  .not_after = 1600086400};
	struct inlay_tls *server = new_tls(config), *client;
	struct pair_certificate f = t.files;
	char cert[64], key[64];

	snprintf(cert, sizeof(cert), "%s/old.pem", f.dir);
	snprintf(key, sizeof(key), "%s/old.key", f.dir);
	assert_int_equal(inlay_tls_write_pem(server, cert, key), 0);
	client = new_tls((struct inlay_tls_config){.role = INLAY_CLIENT, .ca_file = cert});
	assert_refused(client, server, "localhost", "expired");
	inlay_tls_free(client);
	inlay_tls_free(server);
	unlink(cert);
	unlink(key);
}

static void no_common_alpn(void **state)
{
	struct inlay_tls *h3 = new_tls((struct inlay_tls_config){
		.role = INLAY_CLIENT, .ca_file = t.files.cert, .alpn = other_alpn, .n_alpn = 1});
	struct hs_pair *p = hs_pair_new(1);

	use_ours(p, 0, h3);
	use_ours(p, 1, t.server);
	assert_true(hs_run(p, 5 * INLAY_S));
	assert_int_equal(failure_of(p, 1)->code, INLAY_QUIC_CRYPTO_ERROR + 120);
	assert_non_null(strstr(failure_of(p, 1)->text, "application protocol"));
	assert_int_equal(failure_of(p, 0)->code, INLAY_QUIC_CRYPTO_ERROR + 120);
	assert_true(failure_of(p, 0)->by_peer);
	hs_pair_free(p);

	p = hs_pair_new(1);
	use_peer(p, 0, (struct inlay_peer_config){.alpn = "h3"});
	use_ours(p, 1, t.server);
	assert_true(hs_run(p, 5 * INLAY_S));
	assert_int_equal(failure_of(p, 1)->code, INLAY_QUIC_CRYPTO_ERROR + 120);
	assert_int_equal(inlay_peer_close_reason(p->end[0].peer)->code,
			 INLAY_QUIC_CRYPTO_ERROR + 120);
	hs_pair_free(p);
	inlay_tls_free(h3);
	assert_store_is_empty();
}

/* What an extension's draft forbids ends the handshake as what the RFC does. */
static void wrong_parameters(void **state)
{
	for (int wrong = 0; wrong < 2; wrong++) {
		struct hs_pair *p = hs_pair_new(1);
		struct inlay_transport_params params = t.params[wrong];

		params.min_ack_delay = params.max_ack_delay + INLAY_US;
		use_ours(p, 0, t.client);
		use_ours(p, 1, t.server);
		p->end[wrong].config.params = &params;
		start_again(p, wrong);
		assert_true(hs_run(p, 5 * INLAY_S));
		assert_int_equal(failure_of(p, !wrong)->code, INLAY_QUIC_TRANSPORT_PARAMETER_ERROR);
		assert_false(failure_of(p, !wrong)->by_peer);
		assert_int_equal(failure_of(p, wrong)->code, INLAY_QUIC_TRANSPORT_PARAMETER_ERROR);
		assert_true(failure_of(p, wrong)->by_peer);
		hs_pair_free(p);
		assert_store_is_empty();
	}
}

static void no_common_cipher(void **state)
{
	static const enum inlay_cipher chacha = INLAY_CHACHA20_POLY1305;
	struct inlay_tls *server = new_server_tls(&chacha);
	struct hs_pair *p = hs_pair_new(1);

	use_peer(p, 0, (struct inlay_peer_config){.ciphers = "+AES-128-GCM"});
	use_ours(p, 1, server);
	assert_true(hs_run(p, 5 * INLAY_S));
	assert_int_equal(failure_of(p, 1)->code, INLAY_QUIC_CRYPTO_ERROR + 40);
	hs_pair_free(p);
	inlay_tls_free(server);
	assert_store_is_empty();
}

static void nobody_answers(void **state)
{
	struct hs_pair *p = hs_pair_new(1);
	struct hs_end *e = &p->end[0];
	int datagrams = 0;
	__u8 buf[HS_PACKET];

	use_ours(p, 0, t.client);
	while (state_of(p, 0) == INLAY_HANDSHAKE_RUNNING) {
		while (inlay_handshake_send(e->hs, buf, sizeof(buf), p->now))
			datagrams++;
		assert_true(inlay_handshake_deadline(e->hs) > p->now);
		p->now = inlay_handshake_deadline(e->hs);
		inlay_handshake_on_timer(e->hs, p->now);
	}
	assert_int_equal(p->now, INLAY_S + INLAY_HANDSHAKE_TIMEOUT);
	assert_true(datagrams >= 3 && datagrams < 40);
	assert_non_null(strstr(failure_of(p, 0)->text, "too long"));
	/* One CONNECTION_CLOSE, and nothing after it. */
	assert_true(inlay_handshake_send(e->hs, buf, sizeof(buf), p->now) > 0);
	assert_int_equal(inlay_handshake_send(e->hs, buf, sizeof(buf), p->now), 0);
	assert_true(inlay_handshake_deadline(e->hs) == INLAY_NEVER);
	hs_pair_free(p);
	assert_store_is_empty();
}

static void no_common_version(void **state)
{
	static const uint32_t versions[] = {0x6b3343cf, 0x0a0a0a0a};
	struct hs_pair *p = hs_pair_new(1);
	struct inlay_quic_long h = {0};
	struct inlay_cursor c;
	ngtcp2_ssize n;
	__u8 buf[128];

	use_ours(p, 0, t.client);
	hs_flush(p, 0);
	c = inlay_cursor_of(p->end[1].in[0].data, p->end[1].in[0].len);
	assert_true(inlay_quic_long_parse(&c, &h));
	n = ngtcp2_pkt_write_version_negotiation(buf, sizeof(buf), 0, h.scid, h.scid_len, h.dcid,
						 h.dcid_len, versions, 2);
	assert_true(n > 0);
	hs_carry(p, 1, buf, (size_t)n);
	p->now += HS_DELAY;
	hs_turn(p, 0);
	assert_non_null(strstr(failure_of(p, 0)->text, "version 1"));
	assert_true(failure_of(p, 0)->silent);
	assert_int_equal(hs_flush(p, 0), 0);
	hs_pair_free(p);
	assert_store_is_empty();
}

static void closed_on_purpose(void **state)
{
	struct hs_pair *p = hs_pair_new(1);

	use_ours(p, 0, t.client);
	use_ours(p, 1, t.server);
	hs_flush(p, 0);
	p->now += HS_DELAY;
	hs_turn(p, 1);
	inlay_handshake_close(p->end[1].hs, INLAY_QUIC_CONNECTION_REFUSED, "no more");
	assert_true(hs_run(p, 5 * INLAY_S));
	assert_true(failure_of(p, 0)->by_peer);
	assert_int_equal(failure_of(p, 0)->code, INLAY_QUIC_CONNECTION_REFUSED);
	assert_string_equal(failure_of(p, 1)->text, "no more");
	hs_pair_free(p);
	assert_store_is_empty();
}

/* An Initial that does not decrypt is as if it had not come. */
static void damaged_initial(void **state)
{
	struct hs_pair *p = hs_pair_new(1);

	use_ours(p, 0, t.client);
	use_ours(p, 1, t.server);
	hs_flush(p, 0);
	p->end[1].in[0].data[600] ^= 1;
	p->now += HS_DELAY;
	hs_turn(p, 1);
	assert_true(failure_of(p, 1)->silent);
	assert_int_equal(hs_flush(p, 1), 0);
	hs_pair_free(p);
	assert_store_is_empty();
}

/* --- Certificates --------------------------------------------------------------------------- */

static void assert_tls_error(struct inlay_tls_config config, int err, const char *words)
{
	struct inlay_tls *tls = NULL;
	char text[256] = "";

	if (!config.alpn) {
		config.alpn = alpn;
		config.n_alpn = 1;
	}
	assert_int_equal(inlay_tls_new(&config, text, sizeof(text), &tls), err);
	assert_null(tls);
	if (!strstr(text, words))
		fail_msg("\"%s\" does not say \"%s\"", text, words);
}

static void bad_files(void **state)
{
	struct inlay_tls *other =
		new_tls((struct inlay_tls_config){.role = INLAY_SERVER, .self_signed = true});
	struct inlay_tls_config config = {
		.role = INLAY_SERVER, .cert_file = t.files.cert, .key_file = t.files.key};
	char cert[64], key[64];

	snprintf(cert, sizeof(cert), "%s/b.pem", t.files.dir);
	snprintf(key, sizeof(key), "%s/b.key", t.files.dir);
	assert_int_equal(inlay_tls_write_pem(other, cert, key), 0);
	inlay_tls_free(other);

	config.key_file = key;
	assert_tls_error(config, -EBADMSG, "does not match");
	config.key_file = "/nonexistent/key.pem";
	assert_tls_error(config, -ENOENT, "/nonexistent/key.pem");
	config.key_file = t.files.cert;
	assert_tls_error(config, -EBADMSG, "no PEM private key");
	config.key_file = "/";
	assert_tls_error(config, -EINVAL, "not a file");
	config.cert_file = t.files.key;
	assert_tls_error(config, -EBADMSG, "no PEM certificate");
	config.cert_file = NULL;
	assert_tls_error(config, -EINVAL, "key file");
	config = (struct inlay_tls_config){.role = INLAY_CLIENT, .ca_file = "/nonexistent/ca"};
	assert_tls_error(config, -ENOENT, "/nonexistent/ca");
	config.ca_file = t.files.key;
	assert_tls_error(config, -EBADMSG, "no PEM certificate");
	config = (struct inlay_tls_config){
		.role = INLAY_CLIENT, .insecure = true, .ciphers = ciphers, .n_ciphers = 4};
	assert_tls_error(config, -EINVAL, "ciphers");
	unlink(cert);
	unlink(key);
}

static void expired_file(void **state)
{
	struct inlay_tls *old = new_tls((struct inlay_tls_config){.role = INLAY_SERVER,
								  .self_signed = true,
								  .not_before = 1600000000,
								  .not_after = 1600086400});
	struct inlay_tls_config config = {.role = INLAY_SERVER};
	char cert[64], key[64];

	snprintf(cert, sizeof(cert), "%s/old.pem", t.files.dir);
	snprintf(key, sizeof(key), "%s/old.key", t.files.dir);
	assert_int_equal(inlay_tls_write_pem(old, cert, key), 0);
	inlay_tls_free(old);
	config.cert_file = cert;
	config.key_file = key;
	assert_tls_error(config, -ETIME, "expired on 2020-09-14");
	config.allow_expired = true;
	inlay_tls_free(new_tls(config));
	unlink(cert);
	unlink(key);
}

static void fingerprints(void **state)
{
	__u8 a[INLAY_TLS_FINGERPRINT], b[INLAY_TLS_FINGERPRINT] = {0};
	struct inlay_tls *other =
		new_tls((struct inlay_tls_config){.role = INLAY_SERVER, .self_signed = true});

	assert_int_equal(inlay_tls_fingerprint(t.server, a), 0);
	assert_int_equal(inlay_tls_fingerprint(other, b), 0);
	assert_memory_not_equal(a, b, sizeof(a));
	assert_int_equal(inlay_tls_fingerprint(t.client, a), -ENOENT);
	assert_int_equal(inlay_tls_write_pem(t.client, "/nonexistent/x", NULL), -ENOENT);
	inlay_tls_free(other);
}

/* --- Coalesced datagrams -------------------------------------------------------------------- */

static void short_tails(void **state)
{
	/* Two Handshake packets of 8 payload bytes, CIDs of one byte, then whatever |tail| is. */
	static const __u8 one[] = {0xe0, 0, 0, 0, 1, 1, 0xaa, 1, 0xbb, 8, 1, 2, 3, 4, 5, 6, 7, 8};
	__u8 data[64];
	size_t len = 0;

	for (int i = 0; i < 2; i++, len += sizeof(one))
		memcpy(data + len, one, sizeof(one));
	assert_int_equal(inlay_handshake_short_tail(data, len), len);
	data[len] = 0x41;
	assert_int_equal(inlay_handshake_short_tail(data, len + 20), len);
	assert_int_equal(inlay_handshake_short_tail(data, sizeof(one) + 5), sizeof(one) + 5);
	data[len] = 0xe0; /* garbage that looks long */
	assert_int_equal(inlay_handshake_short_tail(data, len + 3), len + 3);
	data[0] = 0x41;
	assert_int_equal(inlay_handshake_short_tail(data, len), 0);
	assert_int_equal(inlay_handshake_short_tail(data, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ours_with_ours),
		cmocka_unit_test(logs_no_keys),
		cmocka_unit_test(server_prefers),
		cmocka_unit_test(server_with_peer),
		cmocka_unit_test(client_with_peer),
		cmocka_unit_test(client_after_retry),
		cmocka_unit_test(lossy_links),
		cmocka_unit_test(client_repeats_finished),
		cmocka_unit_test(wrong_host),
		cmocka_unit_test(right_address),
		cmocka_unit_test(untrusted_certificate),
		cmocka_unit_test(expired_certificate),
		cmocka_unit_test(no_common_alpn),
		cmocka_unit_test(wrong_parameters),
		cmocka_unit_test(no_common_cipher),
		cmocka_unit_test(nobody_answers),
		cmocka_unit_test(no_common_version),
		cmocka_unit_test(closed_on_purpose),
		cmocka_unit_test(damaged_initial),
		cmocka_unit_test(bad_files),
		cmocka_unit_test(expired_file),
		cmocka_unit_test(fingerprints),
		cmocka_unit_test(short_tails),
	};

	return cmocka_run_group_tests_name("handshake", tests, set_up, tear_down);
}
