/* SPDX-License-Identifier: BSD-2-Clause */
/* Provider cases: sealing. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>

#include "../unit/hex.h"
#include "golden.h"
#include "inlay_quic.h"
#include "provider_cases_list.h"
#include "provider_env.h"

int case_round_trip(struct inlay_case_env *env)
{
	__u8 packet[ROOM];
	struct duplex d;
	__u64 pn;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	for (pn = 0; pn < 100; pn++) {
		size_t len = HEADER_LEN + 1 + pn * 12 + INLAY_TAG;

		CHECK(seal_pattern(env, &d, pn, 1 + pn * 12, packet) == INLAY_OK);
		CHECK(open_packet(env, &d, packet, len) == INLAY_OK);
		CHECK(desc_pn(packet, len) == pn);
		CHECK(has_pattern(packet, HEADER_LEN, 1 + pn * 12, pn));
	}
	return 0;
}

int case_golden_seal(struct inlay_case_env *env)
{
	const struct golden *g = &goldens[env->cipher - INLAY_AES_128_GCM];
	__u8 header[HEADER_LEN], payload[GOLDEN_PAYLOAD_LEN], packet[ROOM], expected[GOLDEN_LEN];
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item item;
	struct duplex d;
	size_t i;

	CHECK(duplex_init(env, &d, 0, GOLDEN_PN) == 0);
	for (i = 0; i < sizeof(payload); i++)
		payload[i] = (__u8)(7 * i);
	header_write(header, &d.cid, GOLDEN_PN);
	item = item_of(&d, header, GOLDEN_PN, payload, sizeof(payload), packet);
	CHECK(p->ops->seal(p, &item, 1) == 1);
	CHECK(hex_bytes(g->first, expected, sizeof(expected)) == GOLDEN_LEN);
	CHECK(memcmp(packet, expected, GOLDEN_LEN) == 0);

	CHECK(duplex_next_phase(env, &d, INLAY_TX, 1, GOLDEN_PN + 1) == 0);
	header_write(header, &d.cid, GOLDEN_PN + 1);
	item = item_of(&d, header, GOLDEN_PN + 1, payload, sizeof(payload), packet);
	CHECK(p->ops->seal(p, &item, 1) == 1);
	CHECK(hex_bytes(g->second, expected, sizeof(expected)) == GOLDEN_LEN);
	CHECK(memcmp(packet, expected, GOLDEN_LEN) == 0);
	return 0;
}

int case_reference_sizes(struct inlay_case_env *env)
{
	__u8 packet[ROOM], expected[ROOM];
	struct duplex d;
	size_t len;

	CHECK(duplex_init(env, &d, 0, 0xfffffff0) == 0);
	for (len = 0; len <= 1480; len++) {
		__u64 pn = 0xfffffff0 + len;
		size_t n = peer_seal(&d, 0, pn, 4, 0, len, expected);

		CHECK(seal_pattern(env, &d, pn, len, packet) == INLAY_OK);
		CHECK(memcmp(packet, expected, n) == 0);
	}
	return 0;
}

int case_in_place(struct inlay_case_env *env)
{
	__u8 packet[ROOM], expected[ROOM], plain[ROOM];
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item item;
	struct duplex d;
	size_t n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	n = peer_seal(&d, 0, 3, 4, 0, 1000, expected);
	memcpy(plain, expected, n);
	CHECK(open_packet(env, &d, plain, n) == INLAY_OK);
	memcpy(packet, plain, n);
	item = item_of(&d, packet, 3, packet + HEADER_LEN, 1000, packet);
	item.dst_room = n;
	CHECK(p->ops->seal(p, &item, 1) == 1);
	CHECK(memcmp(packet, expected, n) == 0);
	return 0;
}

int case_payload_in_dst(struct inlay_case_env *env)
{
	__u8 header[HEADER_LEN], packet[ROOM], expected[ROOM];
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item item;
	struct duplex d;
	size_t n, i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	n = peer_seal(&d, 0, 0, 4, 0, 600, expected);
	header_write(header, &d.cid, 0);
	for (i = 0; i < 600; i++)
		packet[HEADER_LEN + i] = (__u8)(7 * i);
	item = item_of(&d, header, 0, packet + HEADER_LEN, 600, packet);
	CHECK(p->ops->seal(p, &item, 1) == 1);
	CHECK(memcmp(packet, expected, n) == 0);
	return 0;
}

int case_shared_payload(struct inlay_case_env *env)
{
	enum { N = 7, LEN = 1100 };
	static __u8 dst[N][ROOM];
	__u8 headers[N][HEADER_LEN], payload[LEN], before[LEN], expected[ROOM];
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item items[N];
	struct duplex d[N];
	size_t i, n;

	for (i = 0; i < LEN; i++)
		payload[i] = (__u8)(7 * i + 5);
	memcpy(before, payload, LEN);
	for (i = 0; i < N; i++) {
		CHECK(duplex_init(env, &d[i], (__u8)i, 0) == 0);
		header_write(headers[i], &d[i].cid, 5);
		items[i] = item_of(&d[i], headers[i], 5, payload, LEN, dst[i]);
	}
	CHECK(p->ops->seal(p, items, N) == N);
	CHECK(memcmp(payload, before, LEN) == 0);
	for (i = 0; i < N; i++) {
		n = peer_seal(&d[i], 0, 5, 4, 0, LEN, expected);
		CHECK(memcmp(dst[i], expected, n) == 0);
		CHECK(open_packet(env, &d[i], dst[i], n) == INLAY_OK);
	}
	return 0;
}

int case_mixed_burst(struct inlay_case_env *env)
{
	enum { N = 150 };
	static __u8 dst[N][128], headers[N][HEADER_LEN];
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item items[N];
	__u8 payload[50], expected[ROOM];
	struct duplex d[2];
	size_t i, n, good = 0;

	memset(dst, 0xee, sizeof(dst));
	CHECK(duplex_init(env, &d[0], 0, 0) == 0);
	CHECK(duplex_init(env, &d[1], 1, 0) == 0);
	for (i = 0; i < sizeof(payload); i++)
		payload[i] = (__u8)(7 * i);
	for (i = 0; i < N; i++) {
		header_write(headers[i], &d[i % 2].cid, 256 * i);
		items[i] =
			item_of(&d[i % 2], headers[i], 256 * i, payload, sizeof(payload), dst[i]);
		items[i].dst_room = sizeof(dst[i]);
		if (i % 3 == 0)
			items[i].sa.number = CASE_MAX_SA + 5;
		else if (i % 5 == 0)
			items[i].remote.port = 0;
		else
			good++;
	}
	CHECK(p->ops->seal(p, items, N) == good);
	for (i = 0; i < N; i++) {
		if (i % 3 == 0 || i % 5 == 0) {
			CHECK(items[i].verdict == (i % 3 == 0 ? INLAY_NO_SA : INLAY_WRONG_PATH));
			CHECK(all_bytes_are(dst[i], sizeof(dst[i]), 0xee));
			continue;
		}
		CHECK(items[i].verdict == INLAY_OK);
		n = peer_seal(&d[i % 2], 0, 256 * i, 4, 0, sizeof(payload), expected);
		CHECK(memcmp(dst[i], expected, n) == 0);
		CHECK(all_bytes_are(dst[i] + n, sizeof(dst[i]) - n, 0xee));
	}
	return 0;
}

int case_tx_cid_lengths(struct inlay_case_env *env)
{
	__u8 bytes[INLAY_CID_MAX], packet[ROOM], expected[ROOM], header[1 + INLAY_CID_MAX + 4];
	__u8 payload[64] = {0};
	struct inlay_provider *p = env->provider;
	struct inlay_sa_params params;
	struct inlay_seal_item item;
	struct duplex d = {0};
	struct inlay_keys keys;
	size_t len, n;

	duplex_params(env, &d, 0, INLAY_TX, &params);
	params.n_cids = 0;
	CHECK(duplex_add(env, &d, &params) == 0);
	keys = duplex_keys(&d, 0);
	memset(bytes, 0x11, sizeof(bytes));
	for (len = 0; len <= INLAY_CID_MAX; len++) {
		struct inlay_cid cid;

		inlay_cid_set(&cid, bytes, len);
		n = header_write(header, &cid, len);
		item = item_of(&d, header, len, payload, sizeof(payload), packet);
		item.header_len = n;
		CHECK(p->ops->seal(p, &item, 1) == 0 && item.verdict == INLAY_WRONG_PATH);
		CHECK(p->ops->cid_add(p, d.tx, &cid) == 0);
		CHECK(p->ops->seal(p, &item, 1) == 1);
		CHECK(p->ops->cid_del(p, d.tx, &cid) == 0);
		memcpy(expected, header, n);
		n = reference_seal(d.cipher, &keys, params.hp, expected, n, len, payload,
				   sizeof(payload));
		CHECK(memcmp(packet, expected, n) == 0);
	}
	return 0;
}

int case_tx_wrong_cid(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_cid cids[2], shorter;
	__u8 packet[ROOM];
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	cids[0] = d.cid;
	cids[1] = d.cid;
	cids[1].data[0] ^= 1;
	inlay_cid_set(&shorter, d.cid.data, 7);
	memset(packet, 0xee, sizeof(packet));
	d.cid = cids[1];
	CHECK(seal_pattern(env, &d, 1, 30, packet) == INLAY_WRONG_PATH);
	CHECK(all_bytes_are(packet, sizeof(packet), 0xee));
	/* The refusal did not use the number up. */
	CHECK(p->ops->cid_add(p, d.tx, &cids[1]) == 0);
	CHECK(seal_pattern(env, &d, 1, 30, packet) == INLAY_OK);
	CHECK(p->ops->cid_add(p, d.tx, &cids[1]) == -EEXIST);
	CHECK(p->ops->cid_del(p, d.tx, &cids[0]) == 0);
	CHECK(p->ops->cid_del(p, d.tx, &shorter) == -ENOENT);
	CHECK(seal_pattern(env, &d, 2, 30, packet) == INLAY_OK);
	d.cid = cids[0];
	CHECK(seal_pattern(env, &d, 3, 30, packet) == INLAY_WRONG_PATH);
	return 0;
}

int case_tx_wrong_path(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_path path;
	__u8 packet[ROOM];
	struct duplex d;
	struct inlay_addr good;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	good = d.to;
	memset(packet, 0xee, sizeof(packet));
	d.to.port = htons(ntohs(d.to.port) + 1);
	CHECK(seal_pattern(env, &d, 1, 30, packet) == INLAY_WRONG_PATH);
	d.to = good;
	d.to.ip[3] = 2;
	CHECK(seal_pattern(env, &d, 1, 30, packet) == INLAY_WRONG_PATH);
	CHECK(all_bytes_are(packet, sizeof(packet), 0xee));
	path.local = d.from;
	path.remote = d.to;
	CHECK(p->ops->set_path(p, d.tx, &path) == 0);
	CHECK(seal_pattern(env, &d, 1, 30, packet) == INLAY_OK);
	/* What was under way to the address before is good; to the one before that, it is not. */
	d.to = good;
	CHECK(seal_pattern(env, &d, 2, 30, packet) == INLAY_OK);
	path.remote.ip[3] = 3;
	CHECK(p->ops->set_path(p, d.tx, &path) == 0);
	CHECK(p->ops->set_path(p, d.tx, &path) == 0);
	CHECK(seal_pattern(env, &d, 3, 30, packet) == INLAY_WRONG_PATH);
	d.to.ip[3] = 2;
	CHECK(seal_pattern(env, &d, 3, 30, packet) == INLAY_OK);
	d.to.ip[3] = 3;
	CHECK(seal_pattern(env, &d, 4, 30, packet) == INLAY_OK);
	/* No address is none. */
	memset(&d.to, 0, sizeof(d.to));
	CHECK(seal_pattern(env, &d, 5, 30, packet) == INLAY_WRONG_PATH);
	return 0;
}

int case_tx_more_remotes(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_addr good, other, none = {0};
	struct inlay_path path;
	__u8 packet[ROOM];
	struct duplex d;
	int i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	good = other = d.to;
	other.ip[3] = 2;
	CHECK(p->ops->remote_del(p, d.tx, &other) == -ENOENT);
	CHECK(p->ops->remote_add(p, d.tx, &good) == -EEXIST);
	CHECK(p->ops->remote_add(p, d.tx, &none) == -EINVAL);
	CHECK(p->ops->remote_add(p, d.rx, &other) == -EINVAL);
	for (i = 0; i < INLAY_PROVIDER_REMOTES; i++, other.ip[3]++)
		CHECK(p->ops->remote_add(p, d.tx, &other) == 0);
	CHECK(p->ops->remote_add(p, d.tx, &other) == -ENOSPC);
	d.to = other;
	CHECK(seal_pattern(env, &d, 1, 30, packet) == INLAY_WRONG_PATH);
	other.ip[3] = 3;
	CHECK(p->ops->remote_add(p, d.tx, &other) == -EEXIST);
	d.to = other;
	CHECK(seal_pattern(env, &d, 1, 30, packet) == INLAY_OK);
	d.to = good;
	CHECK(seal_pattern(env, &d, 2, 30, packet) == INLAY_OK);
	/* One that becomes the address makes room. */
	path.local = d.from;
	path.remote = other;
	CHECK(p->ops->set_path(p, d.tx, &path) == 0);
	CHECK(p->ops->remote_del(p, d.tx, &other) == -ENOENT);
	CHECK(p->ops->remote_add(p, d.tx, &good) == 0);
	d.to = other;
	CHECK(seal_pattern(env, &d, 3, 30, packet) == INLAY_OK);
	d.to.ip[3] = 4;
	CHECK(seal_pattern(env, &d, 4, 30, packet) == INLAY_OK);
	CHECK(p->ops->remote_del(p, d.tx, &d.to) == 0);
	CHECK(seal_pattern(env, &d, 5, 30, packet) == INLAY_WRONG_PATH);
	/* Nor does it come back as the address before. */
	path.remote.ip[3] = 9;
	CHECK(p->ops->set_path(p, d.tx, &path) == 0);
	CHECK(seal_pattern(env, &d, 5, 30, packet) == INLAY_WRONG_PATH);
	d.to = good;
	CHECK(seal_pattern(env, &d, 5, 30, packet) == INLAY_OK);
	return 0;
}

int case_repeat_refused(struct inlay_case_env *env)
{
	__u8 packet[ROOM], untouched[ROOM];
	struct duplex d;
	__u64 pn;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	memset(untouched, 0xee, sizeof(untouched));
	for (pn = 0; pn < 200; pn++) {
		CHECK(seal_pattern(env, &d, pn, 20, packet) == INLAY_OK);
		CHECK(seal_pattern(env, &d, pn, 20, untouched) == INLAY_PN_REPEATED);
	}
	for (pn = 0; pn < 200; pn++)
		CHECK(seal_pattern(env, &d, pn, 21, untouched) == INLAY_PN_REPEATED);
	CHECK(all_bytes_are(untouched, sizeof(untouched), 0xee));
	CHECK(seal_pattern(env, &d, pn, 20, packet) == INLAY_OK);
	return 0;
}

int case_repeat_in_burst(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	__u8 header[HEADER_LEN], payload[20] = {0}, dst[3][ROOM];
	struct inlay_seal_item items[3];
	struct duplex d;
	int i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	header_write(header, &d.cid, 9);
	memset(dst, 0xee, sizeof(dst));
	for (i = 0; i < 3; i++)
		items[i] = item_of(&d, header, 9, payload, sizeof(payload), dst[i]);
	CHECK(p->ops->seal(p, items, 3) == 1);
	CHECK(items[0].verdict == INLAY_OK);
	for (i = 1; i < 3; i++) {
		CHECK(items[i].verdict == INLAY_PN_REPEATED);
		CHECK(all_bytes_are(dst[i], ROOM, 0xee));
	}
	return 0;
}

int case_below_window_refused(struct inlay_case_env *env)
{
	__u8 packet[ROOM];
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(seal_pattern(env, &d, 1ULL << 40, 20, packet) == INLAY_OK);
	/* A window may be of any size up to a million. */
	CHECK(seal_pattern(env, &d, (1ULL << 40) - 1000000, 20, packet) == INLAY_PN_REPEATED);
	CHECK(seal_pattern(env, &d, 0, 20, packet) == INLAY_PN_REPEATED);
	CHECK(seal_pattern(env, &d, 1ULL << 40, 20, packet) == INLAY_PN_REPEATED);
	return 0;
}

int case_out_of_order_sealed(struct inlay_case_env *env)
{
	__u8 packet[ROOM];
	struct duplex d;
	__u64 i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	/* 389 is prime to 1024: every number of the range once. */
	for (i = 0; i < 1024; i++) {
		CHECK(seal_pattern(env, &d, 5000 + i * 389 % 1024, 20, packet) == INLAY_OK);
		CHECK(open_packet(env, &d, packet, HEADER_LEN + 20 + INLAY_TAG) == INLAY_OK);
	}
	for (i = 0; i < 1024; i++)
		CHECK(seal_pattern(env, &d, 5000 + i, 20, packet) == INLAY_PN_REPEATED);
	return 0;
}

int case_floor_refused(struct inlay_case_env *env)
{
	__u8 packet[ROOM];
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 1000) == 0);
	CHECK(seal_pattern(env, &d, 999, 20, packet) == INLAY_PN_REPEATED);
	CHECK(seal_pattern(env, &d, 1001, 20, packet) == INLAY_OK);
	CHECK(seal_pattern(env, &d, 999, 20, packet) == INLAY_PN_REPEATED);
	CHECK(seal_pattern(env, &d, 1000, 20, packet) == INLAY_OK);
	return 0;
}

int case_tx_advance(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	__u8 packet[ROOM];
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(seal_pattern(env, &d, 10, 20, packet) == INLAY_OK);
	CHECK(p->ops->advance(p, d.tx, 50) == 0);
	CHECK(p->ops->advance(p, d.tx, 20) == 0);
	CHECK(seal_pattern(env, &d, 49, 20, packet) == INLAY_PN_REPEATED);
	CHECK(seal_pattern(env, &d, 51, 20, packet) == INLAY_OK);
	CHECK(seal_pattern(env, &d, 50, 20, packet) == INLAY_OK);
	CHECK(p->ops->advance(p, d.tx, INLAY_PN_MAX + 1) == -EINVAL);
	CHECK(seal_pattern(env, &d, 52, 20, packet) == INLAY_OK);
	return 0;
}

int case_phase_bit_written(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	__u8 header[HEADER_LEN], payload[20] = {0}, packet[ROOM];
	struct inlay_seal_item item;
	struct duplex d;
	__u8 spin_and_phase;
	__u64 pn = 0;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	/* The spin bit is the caller's (RFC 9000 section 17.4). */
	for (spin_and_phase = 0; spin_and_phase < 0x40; spin_and_phase += 4, pn++) {
		if (spin_and_phase & 0x18)
			continue;
		header_write(header, &d.cid, pn);
		header[0] |= spin_and_phase;
		item = item_of(&d, header, pn, payload, sizeof(payload), packet);
		CHECK(p->ops->seal(p, &item, 1) == 1);
		CHECK(open_packet(env, &d, packet, HEADER_LEN + 20 + INLAY_TAG) == INLAY_OK);
		CHECK(packet[0] == (0x43 | (spin_and_phase & 0x20)));
	}
	return 0;
}

/* How one field is made wrong. */
struct bad_item {
	void (*spoil)(struct inlay_seal_item *item, __u8 *header);
	enum inlay_verdict verdict;
};

static void spoil_form(struct inlay_seal_item *item, __u8 *header)
{
	header[0] |= 0x80;
}

static void spoil_fixed(struct inlay_seal_item *item, __u8 *header)
{
	header[0] &= (__u8)~0x40;
}

static void spoil_reserved(struct inlay_seal_item *item, __u8 *header)
{
	header[0] |= 0x10;
}

static void spoil_pn_len(struct inlay_seal_item *item, __u8 *header)
{
	header[0] &= (__u8)~1;
}

static void spoil_pn(struct inlay_seal_item *item, __u8 *header)
{
	header[HEADER_LEN - 1] ^= 1;
}

static void spoil_pn_range(struct inlay_seal_item *item, __u8 *header)
{
	item->pn |= 1ULL << 62;
}

static void spoil_short_header(struct inlay_seal_item *item, __u8 *header)
{
	item->header_len = 4;
}

static void spoil_long_header(struct inlay_seal_item *item, __u8 *header)
{
	item->header_len = 1 + INLAY_CID_MAX + 4 + 1;
}

static void spoil_payload_len(struct inlay_seal_item *item, __u8 *header)
{
	item->payload_len = SIZE_MAX - 20;
}

static void spoil_number(struct inlay_seal_item *item, __u8 *header)
{
	item->sa.number = UINT32_MAX;
}

static void spoil_generation(struct inlay_seal_item *item, __u8 *header)
{
	item->sa.generation ^= 1;
}

int case_bad_items(struct inlay_case_env *env)
{
	static const struct bad_item bad[] = {
		{spoil_form, INLAY_NOT_SHORT},	      {spoil_fixed, INLAY_NOT_SHORT},
		{spoil_reserved, INLAY_BAD_ITEM},     {spoil_pn_len, INLAY_BAD_ITEM},
		{spoil_pn, INLAY_BAD_ITEM},	      {spoil_pn_range, INLAY_BAD_ITEM},
		{spoil_short_header, INLAY_BAD_ITEM}, {spoil_long_header, INLAY_BAD_ITEM},
		{spoil_payload_len, INLAY_BAD_ITEM},  {spoil_number, INLAY_NO_SA},
		{spoil_generation, INLAY_STALE_SA},
	};
	struct inlay_provider *p = env->provider;
	__u8 header[HEADER_LEN + 16] = {0}, payload[20] = {0}, packet[ROOM];
	struct inlay_seal_item item;
	struct duplex d;
	size_t i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	memset(packet, 0xee, sizeof(packet));
	for (i = 0; i < INLAY_ARRAY_SIZE(bad); i++) {
		header_write(header, &d.cid, 7);
		item = item_of(&d, header, 7, payload, sizeof(payload), packet);
		bad[i].spoil(&item, header);
		CHECK(p->ops->seal(p, &item, 1) == 0);
		CHECK(item.verdict == bad[i].verdict);
		CHECK(all_bytes_are(packet, sizeof(packet), 0xee));
	}
	/* None of them used the number up. */
	CHECK(seal_pattern(env, &d, 7, 20, packet) == INLAY_OK);
	return 0;
}

int case_overlap_refused(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	__u8 header[HEADER_LEN], buffer[ROOM] = {0};
	struct inlay_seal_item item;
	struct duplex d;
	__u8 *const dst = buffer + 100;
	int shift;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	header_write(header, &d.cid, 0);
	for (shift = -40 - HEADER_LEN; shift <= 40 + INLAY_TAG; shift++) {
		__u64 pn = (__u64)(shift + 100);
		/* Payload and destination touch no byte in common, or lie as they should. */
		bool fine = shift == 0 || shift == -40 - HEADER_LEN || shift == 40 + INLAY_TAG;

		header_write(header, &d.cid, pn);
		item = item_of(&d, header, pn, dst + HEADER_LEN + shift, 40, dst);
		item.dst_room = 500;
		CHECK(p->ops->seal(p, &item, 1) == fine);
		CHECK(item.verdict == (fine ? INLAY_OK : INLAY_BAD_ITEM));
	}
	return 0;
}

int case_no_room(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	__u8 header[HEADER_LEN], payload[20] = {0}, packet[ROOM];
	struct inlay_seal_item item;
	struct duplex d;
	size_t len = HEADER_LEN + sizeof(payload) + INLAY_TAG;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	memset(packet, 0xee, sizeof(packet));
	header_write(header, &d.cid, 4);
	item = item_of(&d, header, 4, payload, sizeof(payload), packet);
	for (item.dst_room = 0; item.dst_room < len; item.dst_room++) {
		CHECK(p->ops->seal(p, &item, 1) == 0);
		CHECK(item.verdict == INLAY_NO_ROOM);
	}
	CHECK(all_bytes_are(packet, sizeof(packet), 0xee));
	CHECK(p->ops->seal(p, &item, 1) == 1);
	CHECK(all_bytes_are(packet + len, sizeof(packet) - len, 0xee));
	return 0;
}

int case_wrong_direction(struct inlay_case_env *env)
{
	__u8 packet[ROOM];
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	d.tx = d.rx;
	memset(packet, 0xee, sizeof(packet));
	CHECK(seal_pattern(env, &d, 0, 20, packet) == INLAY_BAD_ITEM);
	CHECK(all_bytes_are(packet, sizeof(packet), 0xee));
	return 0;
}

int case_tx_limits(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_provider_event event;
	struct inlay_sa_params params;
	struct duplex d = {0};
	__u8 packet[ROOM];
	__u64 pn;

	duplex_params(env, &d, 0, INLAY_TX, &params);
	params.soft_limit = 6;
	params.hard_limit = 8;
	CHECK(duplex_add(env, &d, &params) == 0);
	for (pn = 0; pn < 8; pn++) {
		CHECK(p->ops->events(p, &event, 1) == (pn == 6));
		CHECK(pn != 6 || event.kind == INLAY_EVENT_SOFT_LIMIT);
		CHECK(seal_pattern(env, &d, pn, 20, packet) == INLAY_OK);
	}
	CHECK(p->ops->events(p, &event, 1) == 1);
	CHECK(event.kind == INLAY_EVENT_HARD_LIMIT);
	CHECK(event.sa.number == d.tx.number && event.sa.generation == d.tx.generation);
	memset(packet, 0xee, sizeof(packet));
	for (pn = 8; pn < 20; pn++)
		CHECK(seal_pattern(env, &d, pn, 20, packet) == INLAY_KEY_EXHAUSTED);
	CHECK(all_bytes_are(packet, sizeof(packet), 0xee));
	CHECK(p->ops->events(p, &event, 1) == 0);
	/* The limit is a key's: new keys start anew, and the old ones stay used up. */
	CHECK(duplex_next_phase(env, &d, INLAY_TX, 1, 20) == 0);
	CHECK(seal_pattern(env, &d, 20, 20, packet) == INLAY_OK);
	CHECK(seal_pattern(env, &d, 19, 20, packet) == INLAY_KEY_EXHAUSTED);
	for (pn = 21; pn < 28; pn++)
		CHECK(seal_pattern(env, &d, pn, 20, packet) == INLAY_OK);
	CHECK(seal_pattern(env, &d, pn, 20, packet) == INLAY_KEY_EXHAUSTED);
	return 0;
}
