/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packet protection: RFC 9001 appendix A, packets of another implementation, and the two backends
 * against each other.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../conform/golden.h"
#include "hex.h"
#include "protection.h"
#include "rfc9001_vectors.h"
#include "seeded.h"

#define MAX_PACKET 2048

/* One backend with a key and a header protection key. */
struct fixture {
	struct inlay_aead aead;
	struct inlay_packet_key *seal_key;
	struct inlay_packet_key *open_key;
	void *hp;
};

static void *aligned(size_t size)
{
	void *p = NULL;

	assert_int_equal(posix_memalign(&p, INLAY_AEAD_ALIGN, size), 0);
	return p;
}

static void fixture_init(struct fixture *f, const char *backend)
{
	assert_int_equal(inlay_aead_init(&f->aead, backend), 0);
	f->seal_key = aligned(inlay_packet_key_size(&f->aead));
	f->open_key = aligned(inlay_packet_key_size(&f->aead));
	f->hp = aligned(f->aead.backend->mask_size);
}

static void fixture_set_keys(struct fixture *f, enum inlay_cipher cipher,
			     const struct inlay_keys *keys, const __u8 *hp)
{
	const struct inlay_aead_backend *b = f->aead.backend;

	assert_int_equal(inlay_packet_key_init(&f->aead, f->seal_key, cipher, true, keys), 0);
	assert_int_equal(inlay_packet_key_init(&f->aead, f->open_key, cipher, false, keys), 0);
	assert_int_equal(b->mask_init(f->aead.instance, f->hp, cipher, hp), 0);
}

static void fixture_clear_keys(struct fixture *f)
{
	inlay_packet_key_fini(&f->aead, f->seal_key);
	inlay_packet_key_fini(&f->aead, f->open_key);
	f->aead.backend->mask_fini(f->aead.instance, f->hp);
}

static void fixture_fini(struct fixture *f)
{
	free(f->seal_key);
	free(f->open_key);
	free(f->hp);
	inlay_aead_fini(&f->aead);
}

static void set_secret(struct fixture *f, enum inlay_cipher cipher, const __u8 *secret,
		       const __u8 *hp_secret)
{
	struct inlay_keys keys;
	__u8 hp[INLAY_KEY_MAX];

	assert_int_equal(inlay_protection_keys(cipher, secret, &keys), 0);
	assert_int_equal(inlay_protection_hp_key(cipher, hp_secret, hp), 0);
	fixture_set_keys(f, cipher, &keys, hp);
}

/* --- Key derivation ----------------------------------------------------------------------------
 */

static void check_derivation(enum inlay_cipher cipher, const char *secret_hex, const char *key_hex,
			     const char *iv_hex, const char *hp_hex)
{
	__u8 secret[INLAY_SECRET_MAX], expected[INLAY_KEY_MAX], hp[INLAY_KEY_MAX];
	struct inlay_keys keys;
	size_t len;

	len = hex_bytes(secret_hex, secret, sizeof(secret));
	assert_int_equal(len, inlay_cipher_secret_len(cipher));
	assert_int_equal(inlay_protection_keys(cipher, secret, &keys), 0);
	len = hex_bytes(key_hex, expected, sizeof(expected));
	assert_int_equal(len, inlay_cipher_key_len(cipher));
	assert_memory_equal(keys.key, expected, len);
	len = hex_bytes(iv_hex, expected, sizeof(expected));
	assert_memory_equal(keys.iv, expected, len);
	assert_int_equal(inlay_protection_hp_key(cipher, secret, hp), 0);
	len = hex_bytes(hp_hex, expected, sizeof(expected));
	assert_memory_equal(hp, expected, len);
}

static void test_derivation(void **state)
{
	check_derivation(INLAY_AES_128_GCM, client_secret, client_key, client_iv, client_hp);
	check_derivation(INLAY_AES_128_GCM, server_secret, server_key, server_iv, server_hp);
	check_derivation(INLAY_CHACHA20_POLY1305, chacha_secret, chacha_key, chacha_iv, chacha_hp);
}

static void test_next_secret(void **state)
{
	__u8 secret[INLAY_SECRET_MAX], expected[32];

	hex_bytes(chacha_secret, secret, sizeof(secret));
	hex_bytes(chacha_ku, expected, sizeof(expected));
	/* In place. */
	assert_int_equal(inlay_protection_next_secret(INLAY_CHACHA20_POLY1305, secret, secret), 0);
	assert_memory_equal(secret, expected, sizeof(expected));
}

/* --- Whole packets -----------------------------------------------------------------------------
 */

struct vector {
	enum inlay_cipher cipher;
	const char *secret, *header, *payload, *packet;
	size_t payload_len; /* zeros follow |payload| */
	__u64 pn;
	__u8 pn_len;
};

static const struct vector vectors[] = {
	{INLAY_AES_128_GCM, client_secret, client_header, client_frame, client_packet,
	 CLIENT_PAYLOAD_LEN, 2, 4},
	{INLAY_AES_128_GCM, server_secret, server_header, server_payload, server_packet,
	 sizeof(server_payload) / 2, 1, 2},
	{INLAY_CHACHA20_POLY1305, chacha_secret, chacha_header, "01", chacha_packet, 1, 654360564,
	 3},
};

static void check_vector(struct fixture *f, const struct vector *v)
{
	__u8 secret[32], packet[MAX_PACKET] = {0}, expected[MAX_PACKET], plain[MAX_PACKET];
	size_t header_len, len;
	struct inlay_packet_seal s;
	struct inlay_packet_open o;

	hex_bytes(v->secret, secret, sizeof(secret));
	set_secret(f, v->cipher, secret, secret);
	header_len = hex_bytes(v->header, packet, sizeof(packet));
	hex_bytes(v->payload, packet + header_len, sizeof(packet) - header_len);
	memcpy(plain, packet, sizeof(plain));
	len = hex_bytes(v->packet, expected, sizeof(expected));
	assert_int_equal(len, header_len + v->payload_len + INLAY_TAG);

	s = (struct inlay_packet_seal){
		.key = f->seal_key,
		.hp = f->hp,
		.pn = v->pn,
		.payload = packet + header_len,
		.payload_len = (__u32)v->payload_len,
		.header_len = (__u16)header_len,
		.pn_len = v->pn_len,
		.dst = packet,
	};
	inlay_protection_seal(&f->aead, &s, 1);
	assert_true(s.ok);
	assert_memory_equal(packet, expected, len);

	o = (struct inlay_packet_open){
		.packet = packet,
		.len = len,
		.pn_offset = header_len - v->pn_len,
		.hp = f->hp,
	};
	inlay_protection_unmask(&f->aead, &o, 1);
	assert_memory_equal(packet, expected, len);
	assert_int_equal(o.pn_len, v->pn_len);
	assert_int_equal(o.first, plain[0]);
	o.key = f->open_key;
	o.pn = inlay_protection_recover_pn(v->pn, o.truncated, o.pn_len);
	assert_int_equal(o.pn, v->pn);
	inlay_protection_open(&f->aead, &o, 1);
	assert_true(o.ok);
	assert_memory_equal(packet, plain, header_len + v->payload_len);
	fixture_clear_keys(f);
}

static void check_golden(struct fixture *f, const struct golden *g)
{
	__u8 secret[INLAY_SECRET_MAX], next[INLAY_SECRET_MAX], packet[GOLDEN_LEN],
		plain[GOLDEN_LEN];
	struct inlay_packet_open o;
	size_t i;
	int phase;

	for (i = 0; i < sizeof(secret); i++)
		secret[i] = (__u8)i;
	assert_int_equal(inlay_protection_next_secret(g->cipher, secret, next), 0);
	for (phase = 0; phase < 2; phase++) {
		set_secret(f, g->cipher, phase ? next : secret, secret);
		assert_int_equal(hex_bytes(phase ? g->second : g->first, packet, sizeof(packet)),
				 GOLDEN_LEN);
		o = (struct inlay_packet_open){
			.packet = packet,
			.len = sizeof(packet),
			.pn_offset = 9,
			.hp = f->hp,
			.key = f->open_key,
		};
		inlay_protection_unmask(&f->aead, &o, 1);
		o.pn = GOLDEN_PN + (__u64)phase;
		assert_int_equal(o.truncated, (__u32)o.pn);
		inlay_protection_open(&f->aead, &o, 1);
		assert_true(o.ok);
		for (i = 0; i < GOLDEN_PAYLOAD_LEN; i++)
			plain[i] = (__u8)(7 * i);
		assert_memory_equal(packet + 13, plain, GOLDEN_PAYLOAD_LEN);
		assert_int_equal(packet[0], phase ? 0x47 : 0x43);
		fixture_clear_keys(f);
	}
}

static void check_vectors(const char *backend)
{
	struct fixture f;
	size_t i;

	fixture_init(&f, backend);
	for (i = 0; i < INLAY_ARRAY_SIZE(vectors); i++)
		check_vector(&f, &vectors[i]);
	for (i = 0; i < INLAY_ARRAY_SIZE(goldens); i++)
		check_golden(&f, &goldens[i]);
	fixture_fini(&f);
}

static void test_vectors_libcrypto(void **state)
{
	check_vectors("libcrypto");
}

static bool skip_without_ipsec_mb(void)
{
	if (inlay_aead_ipsec_mb.probe() == 0)
		return false;
	print_message("ipsec-mb is not available here\n");
	return true;
}

static void test_vectors_ipsec_mb(void **state)
{
	if (skip_without_ipsec_mb())
		skip();
	check_vectors("ipsec-mb");
}

/* --- Packet numbers: RFC 9000 appendix A.3 -------------------------------------------------------
 */

static void test_recover_pn(void **state)
{
	static const struct {
		__u64 expected, pn;
		__u32 truncated;
		size_t pn_len;
	} cases[] = {
		{0xa82f30eb, 0xa82f9b32, 0x9b32, 2}, /* the RFC's example */
		{0, 0, 0, 1},
		{0, 0xff, 0xff, 1}, /* nothing below zero to be */
		/* One byte: (expected - 128, expected + 128]. */
		{0x1000, 0x1080, 0x80, 1},
		{0x1000, 0xf81, 0x81, 1},
		{0x10ff, 0x1080, 0x80, 1},
		{0x10ff, 0x117f, 0x7f, 1},
		{0x1001, 0x1081, 0x81, 1},
		{0x1001, 0xf82, 0x82, 1},
		/* Two bytes. */
		{0x20000, 0x28000, 0x8000, 2},
		{0x20000, 0x18001, 0x8001, 2},
		/* Three bytes. */
		{0x2000000, 0x2800000, 0x800000, 3},
		{0x2000000, 0x1800001, 0x800001, 3},
		/* Four bytes. */
		{0x200000000, 0x280000000, 0x80000000, 4},
		{0x200000000, 0x180000001, 0x80000001, 4},
		{0, 0xffffffff, 0xffffffff, 4},
		/* At the end of the number space. */
		{INLAY_PN_MAX, INLAY_PN_MAX, 0xff, 1},
		{INLAY_PN_MAX + 1, INLAY_PN_MAX, 0xff, 1},
		{INLAY_PN_MAX + 1, INLAY_PN_MAX, 0xffffffff, 4},
	};
	size_t i;

	for (i = 0; i < INLAY_ARRAY_SIZE(cases); i++)
		assert_int_equal(inlay_protection_recover_pn(cases[i].expected, cases[i].truncated,
							     cases[i].pn_len),
				 cases[i].pn);
}

/* Every number within the window comes back, whatever the expected one. */
static void test_recover_pn_everywhere(void **state)
{
	struct seeded s = {.state = 9000};
	int i;

	for (i = 0; i < 200000; i++) {
		size_t pn_len = 1 + seeded_below(&s, 4);
		__u64 half = 1ULL << (8 * pn_len - 1);
		__u64 expected = seeded_u64(&s) >> (2 + seeded_below(&s, 60));
		__u64 lowest = expected < half ? 0 : expected - half + 1;
		__u64 pn = lowest + seeded_below(&s, expected - lowest + half + 1);

		if (pn > INLAY_PN_MAX)
			continue;
		assert_int_equal(
			inlay_protection_recover_pn(expected, (__u32)(pn & (2 * half - 1)), pn_len),
			pn);
	}
}

/* --- The two backends ---------------------------------------------------------------------------
 */

static void fill_seal(const struct fixture *f, struct inlay_packet_seal *s, __u8 *dst,
		      const __u8 *payload, size_t payload_len, size_t header_len, __u64 pn)
{
	*s = (struct inlay_packet_seal){
		.key = f->seal_key,
		.hp = f->hp,
		.pn = pn,
		.payload = payload,
		.payload_len = (__u32)payload_len,
		.header_len = (__u16)header_len,
		.pn_len = (dst[0] & 3) + 1,
		.dst = dst,
	};
}

static bool open_packet(const struct fixture *f, __u8 *packet, size_t len, size_t pn_offset,
			__u64 pn)
{
	struct inlay_packet_open o = {
		.packet = packet,
		.len = len,
		.pn_offset = pn_offset,
		.hp = f->hp,
		.key = f->open_key,
		.pn = pn,
	};

	inlay_protection_unmask(&f->aead, &o, 1);
	inlay_protection_open(&f->aead, &o, 1);
	return o.ok;
}

static bool is_zero(const __u8 *p, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if (p[i])
			return false;
	return true;
}

/* Seals by |a|, apart and in place by |b|: the same bytes; each opens the other's; and a flipped
 * bit anywhere is found by both, leaving nothing of the payload. */
static void check_pair(const struct fixture *a, const struct fixture *b, struct seeded *s,
		       size_t payload_len)
{
	__u8 apart[MAX_PACKET], inplace[MAX_PACKET], damaged[MAX_PACKET], payload[MAX_PACKET];
	size_t header_len, len, pn_offset, at;
	struct inlay_packet_seal seal;
	__u64 pn = seeded_u64(s) >> 2;

	seeded_bytes(s, payload, payload_len);
	seeded_bytes(s, apart, sizeof(apart));
	apart[0] = (__u8)(0x40 | (seeded_u64(s) & 0x27));
	if (payload_len < 4)
		apart[0] |= 3;
	header_len = 1 + seeded_below(s, INLAY_CID_MAX + 1) + (apart[0] & 3) + 1;
	pn_offset = header_len - (apart[0] & 3) - 1;
	len = header_len + payload_len + INLAY_TAG;
	memcpy(inplace, apart, header_len);
	memcpy(inplace + header_len, payload, payload_len);

	fill_seal(a, &seal, apart, payload, payload_len, header_len, pn);
	inlay_protection_seal(&a->aead, &seal, 1);
	assert_true(seal.ok);
	fill_seal(b, &seal, inplace, inplace + header_len, payload_len, header_len, pn);
	inlay_protection_seal(&b->aead, &seal, 1);
	assert_true(seal.ok);
	assert_memory_equal(apart, inplace, len);

	memcpy(damaged, apart, len);
	at = seeded_below(s, len - 1);
	/* Not in the first byte: its bits say where the number ends. */
	damaged[1 + at] ^= (__u8)(1U << seeded_below(s, 8));
	memcpy(inplace, damaged, len);
	if (open_packet(a, damaged, len, pn_offset, pn) ||
	    open_packet(b, inplace, len, pn_offset, pn))
		fail_msg("a damaged packet of %zu bytes was opened", len);
	assert_memory_equal(damaged, inplace, len);
	assert_memory_equal(damaged + len - INLAY_TAG,
			    1 + at >= len - INLAY_TAG ? inplace + len - INLAY_TAG
						      : apart + len - INLAY_TAG,
			    INLAY_TAG);

	memcpy(inplace, apart, len);
	assert_true(open_packet(a, inplace, len, pn_offset, pn));
	assert_memory_equal(inplace + header_len, payload, payload_len);
	assert_true(open_packet(b, apart, len, pn_offset, pn));
	assert_memory_equal(apart, inplace, len);
}

static void check_all_sizes(const char *name_a, const char *name_b, __u64 seed)
{
	struct seeded s = {.state = seed};
	struct fixture a, b;
	enum inlay_cipher cipher;
	size_t len;

	fixture_init(&a, name_a);
	fixture_init(&b, name_b);
	for (cipher = INLAY_AES_128_GCM; cipher <= INLAY_CHACHA20_POLY1305; cipher++) {
		for (len = 0; len <= 1500; len++) {
			struct inlay_keys keys;
			__u8 hp[INLAY_KEY_MAX];

			seeded_bytes(&s, &keys, sizeof(keys));
			seeded_bytes(&s, hp, sizeof(hp));
			fixture_set_keys(&a, cipher, &keys, hp);
			fixture_set_keys(&b, cipher, &keys, hp);
			check_pair(&a, &b, &s, len);
			check_pair(&b, &a, &s, len);
			fixture_clear_keys(&a);
			fixture_clear_keys(&b);
		}
	}
	fixture_fini(&a);
	fixture_fini(&b);
}

static void test_all_sizes_libcrypto(void **state)
{
	check_all_sizes("libcrypto", "libcrypto", 1);
}

static void test_backends_identical(void **state)
{
	if (skip_without_ipsec_mb())
		skip();
	check_all_sizes("libcrypto", "ipsec-mb", 2);
}

/* More packets than a burst, of mixed ciphers, sharing one payload: as if one by one. */
static void check_burst(const char *backend)
{
	enum { N = 2 * INLAY_AEAD_BURST + 7 };
	static __u8 dst[N][256], single[N][256];
	struct inlay_packet_seal seals[N];
	struct fixture f[3];
	__u8 payload[200];
	struct seeded s = {.state = 77};
	size_t i;

	seeded_bytes(&s, payload, sizeof(payload));
	for (i = 0; i < 3; i++) {
		struct inlay_keys keys;
		__u8 hp[INLAY_KEY_MAX];

		fixture_init(&f[i], backend);
		seeded_bytes(&s, &keys, sizeof(keys));
		seeded_bytes(&s, hp, sizeof(hp));
		fixture_set_keys(&f[i], INLAY_AES_128_GCM + i, &keys, hp);
	}
	for (i = 0; i < N; i++) {
		seeded_bytes(&s, dst[i], 13);
		dst[i][0] = 0x43;
		memcpy(single[i], dst[i], 13);
		fill_seal(&f[i % 3], &seals[i], single[i], payload, sizeof(payload), 13, i);
		inlay_protection_seal(&f[i % 3].aead, &seals[i], 1);
		fill_seal(&f[i % 3], &seals[i], dst[i], payload, sizeof(payload), 13, i);
	}
	inlay_protection_seal(&f[0].aead, seals, N);
	for (i = 0; i < N; i++) {
		assert_true(seals[i].ok);
		assert_memory_equal(dst[i], single[i], 13 + sizeof(payload) + INLAY_TAG);
		assert_true(open_packet(&f[i % 3], dst[i], 13 + sizeof(payload) + INLAY_TAG, 9, i));
	}
	for (i = 0; i < 3; i++) {
		fixture_clear_keys(&f[i]);
		fixture_fini(&f[i]);
	}
}

static void test_burst_libcrypto(void **state)
{
	check_burst("libcrypto");
}

static void test_burst_ipsec_mb(void **state)
{
	if (skip_without_ipsec_mb())
		skip();
	check_burst("ipsec-mb");
}

/* Nothing unauthenticated is seen, and a stateless reset's token can be. */
static void check_failure_leaves(const char *backend)
{
	__u8 packet[300], sealed[300];
	struct inlay_keys keys = {.key = {1}, .iv = {2}};
	__u8 hp[INLAY_KEY_MAX] = {3};
	enum inlay_cipher cipher;
	struct inlay_packet_seal seal;
	struct fixture f;

	fixture_init(&f, backend);
	for (cipher = INLAY_AES_128_GCM; cipher <= INLAY_CHACHA20_POLY1305; cipher++) {
		fixture_set_keys(&f, cipher, &keys, hp);
		memset(packet, 0x5a, sizeof(packet));
		packet[0] = 0x43;
		fill_seal(&f, &seal, packet, packet + 13, sizeof(packet) - 13 - INLAY_TAG, 13, 5);
		inlay_protection_seal(&f.aead, &seal, 1);
		memcpy(sealed, packet, sizeof(sealed));
		/* The wrong number: the wrong nonce. */
		assert_false(open_packet(&f, packet, sizeof(packet), 9, 6));
		assert_memory_equal(packet, sealed, 13);
		assert_true(is_zero(packet + 13, sizeof(packet) - 13 - INLAY_TAG));
		assert_memory_equal(packet + sizeof(packet) - INLAY_TAG,
				    sealed + sizeof(packet) - INLAY_TAG, INLAY_TAG);
		fixture_clear_keys(&f);
	}
	fixture_fini(&f);
}

static void test_failure_leaves(void **state)
{
	check_failure_leaves("libcrypto");
	if (inlay_aead_ipsec_mb.probe() == 0)
		check_failure_leaves("ipsec-mb");
}

/* --- Choice -------------------------------------------------------------------------------------
 */

static void wrong_seal(void *instance, struct inlay_aead_item *items, size_t n)
{
	inlay_aead_libcrypto.seal(instance, items, n);
	items[0].tag[3] ^= 1;
}

static void gullible_open(void *instance, struct inlay_aead_item *items, size_t n)
{
	size_t i;

	inlay_aead_libcrypto.open(instance, items, n);
	for (i = 0; i < n; i++)
		items[i].ok = true;
}

static void wrong_masks(void *instance, struct inlay_mask_item *items, size_t n)
{
	inlay_aead_libcrypto.masks(instance, items, n);
	items[0].mask[4] ^= 0x80;
}

static void test_self_test_finds(void **state)
{
	struct inlay_aead_backend broken;
	struct inlay_aead aead;

	assert_int_equal(inlay_aead_init(&aead, "libcrypto"), 0);
	assert_int_equal(inlay_aead_self_test(&aead), 0);
	aead.backend = &broken;
	broken = inlay_aead_libcrypto;
	broken.seal = wrong_seal;
	assert_int_equal(inlay_aead_self_test(&aead), -EBADMSG);
	broken = inlay_aead_libcrypto;
	broken.open = gullible_open;
	assert_int_equal(inlay_aead_self_test(&aead), -EBADMSG);
	broken = inlay_aead_libcrypto;
	broken.masks = wrong_masks;
	assert_int_equal(inlay_aead_self_test(&aead), -EBADMSG);
	aead.backend = &inlay_aead_libcrypto;
	inlay_aead_fini(&aead);
}

static void test_choice(void **state)
{
	struct inlay_aead aead;

	assert_int_equal(inlay_aead_init(&aead, "openssl"), -ENOENT);
	assert_int_equal(inlay_aead_init(&aead, "libcrypto"), 0);
	assert_string_equal(aead.backend->name, "libcrypto");
	inlay_aead_fini(&aead);
	assert_int_equal(inlay_aead_init(&aead, NULL), 0);
	assert_string_equal(aead.backend->name,
			    inlay_aead_ipsec_mb.probe() == 0 ? "ipsec-mb" : "libcrypto");
	inlay_aead_fini(&aead);
	if (inlay_aead_ipsec_mb.probe() != 0)
		assert_int_equal(inlay_aead_init(&aead, "ipsec-mb"), -ENOTSUP);
}

/* Keys in the caller's memory are gone after fini. */
static void test_fini_zeroes(void **state)
{
	const char *const names[] = {"libcrypto", "ipsec-mb"};
	struct inlay_keys keys;
	__u8 hp[INLAY_KEY_MAX];
	enum inlay_cipher cipher;
	struct fixture f;
	size_t i;

	memset(&keys, 0xaa, sizeof(keys));
	memset(hp, 0xbb, sizeof(hp));
	for (i = 0; i < 2; i++) {
		if (i == 1 && inlay_aead_ipsec_mb.probe() != 0)
			break;
		fixture_init(&f, names[i]);
		for (cipher = INLAY_AES_128_GCM; cipher <= INLAY_CHACHA20_POLY1305; cipher++) {
			size_t key_size = inlay_packet_key_size(&f.aead);
			size_t mask_size = f.aead.backend->mask_size;

			memset(f.seal_key, 0, key_size);
			memset(f.hp, 0, mask_size);
			fixture_set_keys(&f, cipher, &keys, hp);
			assert_false(is_zero((__u8 *)f.seal_key, key_size));
			assert_false(is_zero(f.hp, mask_size));
			fixture_clear_keys(&f);
			assert_true(is_zero((__u8 *)f.seal_key, key_size));
			assert_true(is_zero(f.hp, mask_size));
		}
		fixture_fini(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_derivation),
		cmocka_unit_test(test_next_secret),
		cmocka_unit_test(test_vectors_libcrypto),
		cmocka_unit_test(test_vectors_ipsec_mb),
		cmocka_unit_test(test_recover_pn),
		cmocka_unit_test(test_recover_pn_everywhere),
		cmocka_unit_test(test_all_sizes_libcrypto),
		cmocka_unit_test(test_backends_identical),
		cmocka_unit_test(test_burst_libcrypto),
		cmocka_unit_test(test_burst_ipsec_mb),
		cmocka_unit_test(test_failure_leaves),
		cmocka_unit_test(test_self_test_finds),
		cmocka_unit_test(test_choice),
		cmocka_unit_test(test_fini_zeroes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
