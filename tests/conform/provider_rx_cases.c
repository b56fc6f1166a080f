/* SPDX-License-Identifier: BSD-2-Clause */
/* Provider cases: opening. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>

#include "../unit/hex.h"
#include "golden.h"
#include "inlay_quic.h"
#include "provider_cases_list.h"
#include "provider_env.h"

int case_golden_open(struct inlay_case_env *env)
{
	const struct golden *g = &goldens[env->cipher - INLAY_AES_128_GCM];
	__u8 packet[GOLDEN_LEN];
	struct duplex d;
	size_t i;

	CHECK(duplex_init(env, &d, 0, GOLDEN_PN) == 0);
	CHECK(hex_bytes(g->first, packet, sizeof(packet)) == GOLDEN_LEN);
	CHECK(open_packet(env, &d, packet, GOLDEN_LEN) == INLAY_OK);
	CHECK(packet[0] == 0x43);
	CHECK(desc_pn(packet, GOLDEN_LEN) == GOLDEN_PN);
	for (i = 0; i < GOLDEN_PAYLOAD_LEN; i++)
		CHECK(packet[HEADER_LEN + i] == (__u8)(7 * i));
	CHECK(hex_bytes(g->second, packet, sizeof(packet)) == GOLDEN_LEN);
	CHECK(open_packet(env, &d, packet, GOLDEN_LEN) == INLAY_OK);
	CHECK(packet[0] == 0x47);
	CHECK(desc_pn(packet, GOLDEN_LEN) == GOLDEN_PN + 1);
	CHECK(desc_of(packet, GOLDEN_LEN).flags == INLAY_DESC_NEXT_PHASE);
	return 0;
}

int case_descriptor(struct inlay_case_env *env)
{
	struct inlay_desc desc;
	__u8 packet[ROOM];
	struct duplex d;
	size_t pn_len, n;

	CHECK(duplex_init(env, &d, 0, 0x3fedcba987654321) == 0);
	for (pn_len = 1; pn_len <= 4; pn_len++) {
		n = peer_seal(&d, 0, 0x3fedcba987654321 + pn_len, pn_len, 0, 33, packet);
		CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
		desc = desc_of(packet, n);
		CHECK(be32toh(desc.sa) == d.rx.number);
		CHECK(be16toh(desc.generation) == d.rx.generation);
		CHECK(desc.flags == 0);
		CHECK(desc.hdr_len == 1 + INLAY_OWN_CID + pn_len);
		CHECK(be64toh(desc.pn) == 0x3fedcba987654321 + pn_len);
		CHECK(packet[0] == (0x40 | (pn_len - 1)));
		CHECK(has_pattern(packet, desc.hdr_len, 33, be64toh(desc.pn)));
	}
	return 0;
}

int case_truncation_edges(struct inlay_case_env *env)
{
	__u64 expected = 1ULL << 40;
	__u8 packet[ROOM];
	struct duplex d;
	size_t pn_len, n;

	CHECK(duplex_init(env, &d, 0, expected) == 0);
	for (pn_len = 1; pn_len <= 4; pn_len++) {
		__u64 half = 1ULL << (8 * pn_len - 1);

		n = peer_seal(&d, 0, expected - half + 1, pn_len, 0, 20, packet);
		CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
		CHECK(desc_pn(packet, n) == expected - half + 1);
		/* One beyond either edge is taken for another number, and fails. */
		n = peer_seal(&d, 0, expected - half, pn_len, 0, 20, packet);
		CHECK(open_packet(env, &d, packet, n) == INLAY_AUTH_FAILED);
		n = peer_seal(&d, 0, expected + half + 1, pn_len, 0, 20, packet);
		CHECK(open_packet(env, &d, packet, n) == INLAY_AUTH_FAILED);
		n = peer_seal(&d, 0, expected + half, pn_len, 0, 20, packet);
		CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
		CHECK(desc_pn(packet, n) == expected + half);
		expected += half + 1;
	}
	return 0;
}

int case_rx_first_number(struct inlay_case_env *env)
{
	__u8 packet[ROOM];
	struct duplex d;
	size_t n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	/* Peers start anywhere: RFC 9000 section 12.3 fixes no first number. */
	n = peer_seal(&d, 0, 1ULL << 31, 4, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	CHECK(desc_pn(packet, n) == 1ULL << 31);
	n = peer_seal(&d, 0, (1ULL << 31) + 1, 1, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	n = peer_seal(&d, 0, 0, 4, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_AUTH_FAILED || desc_pn(packet, n) == 0);
	return 0;
}

int case_rx_advance(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	__u8 packet[ROOM];
	struct duplex d;
	size_t n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	n = peer_seal(&d, 0, 100000, 1, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_AUTH_FAILED);
	CHECK(p->ops->advance(p, d.rx, 99990) == 0);
	CHECK(p->ops->advance(p, d.rx, 7) == 0);
	n = peer_seal(&d, 0, 100000, 1, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	CHECK(desc_pn(packet, n) == 100000);
	CHECK(p->ops->advance(p, d.rx, 1ULL << 62) == -EINVAL);
	return 0;
}

int case_duplicates_passed(struct inlay_case_env *env)
{
	__u8 packet[ROOM], copy[ROOM];
	struct duplex d;
	size_t n;
	int i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	n = peer_seal(&d, 0, 50, 2, 0, 20, packet);
	for (i = 0; i < 3; i++) {
		memcpy(copy, packet, n);
		CHECK(open_packet(env, &d, copy, n) == INLAY_OK);
		CHECK(desc_pn(copy, n) == 50);
	}
	n = peer_seal(&d, 0, 3, 2, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	CHECK(desc_pn(packet, n) == 3);
	return 0;
}

int case_forgery_moves_nothing(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_stats stats;
	__u8 packet[ROOM];
	struct duplex d;
	size_t n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	n = peer_seal(&d, 0, 10, 1, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	n = peer_seal(&d, 0, 1000000, 4, 0, 20, packet);
	packet[n - 1] ^= 1;
	CHECK(open_packet(env, &d, packet, n) == INLAY_AUTH_FAILED);
	n = peer_seal(&d, 0, 11, 1, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	CHECK(p->ops->stats(p, d.rx, &stats) == 0);
	CHECK(stats.largest_pn == 11);
	return 0;
}

int case_damage_found(struct inlay_case_env *env)
{
	__u8 packet[ROOM], damaged[ROOM];
	enum inlay_verdict verdict;
	struct duplex d;
	size_t n, bit;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	n = peer_seal(&d, 0, 77, 2, 0, 40, packet);
	for (bit = 0; bit < 8 * n; bit++) {
		memcpy(damaged, packet, n);
		damaged[bit / 8] ^= (__u8)(1U << bit % 8);
		verdict = open_packet(env, &d, damaged, n);
		if (bit / 8 == 0)
			CHECK(verdict == (bit >= 6 ? INLAY_NOT_SHORT : INLAY_AUTH_FAILED));
		else if (bit / 8 <= INLAY_OWN_CID)
			CHECK(verdict == INLAY_NO_SA);
		else
			CHECK(verdict == INLAY_AUTH_FAILED);
	}
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	return 0;
}

int case_auth_failure_leaves(struct inlay_case_env *env)
{
	__u8 packet[ROOM], damaged[ROOM];
	struct duplex d;
	size_t n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	n = peer_seal(&d, 0, 77, 4, 0, 400, packet);
	packet[n - 1] ^= 1;
	memcpy(damaged, packet, n);
	CHECK(open_packet(env, &d, damaged, n) == INLAY_AUTH_FAILED);
	/* A stateless reset is told by these (RFC 9000 section 10.3.1). */
	CHECK(memcmp(damaged + n - INLAY_TAG, packet + n - INLAY_TAG, INLAY_TAG) == 0);
	CHECK(memcmp(damaged, packet, 1 + INLAY_OWN_CID) == 0);
	CHECK(all_bytes_are(damaged + HEADER_LEN, n - HEADER_LEN - INLAY_TAG, 0));
	return 0;
}

int case_runts(struct inlay_case_env *env)
{
	__u8 packet[ROOM], cut[ROOM];
	struct duplex d;
	size_t len;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	peer_seal(&d, 0, 1, 1, 0, 20, packet);
	for (len = 0; len < 1 + INLAY_OWN_CID + 4 + INLAY_SAMPLE; len++) {
		memcpy(cut, packet, len);
		CHECK(open_packet(env, &d, cut, len) == INLAY_RUNT);
		CHECK(memcmp(cut, packet, len) == 0);
	}
	memcpy(cut, packet, len);
	CHECK(open_packet(env, &d, cut, len) == INLAY_AUTH_FAILED);
	return 0;
}

int case_smallest_packets(struct inlay_case_env *env)
{
	__u8 packet[ROOM];
	struct duplex d;
	size_t pn_len, n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	/* 4 - pn_len bytes of payload: header to sample as short as can be. */
	for (pn_len = 1; pn_len <= 4; pn_len++) {
		n = peer_seal(&d, 0, pn_len, pn_len, 0, 4 - pn_len, packet);
		CHECK(n == 1 + INLAY_OWN_CID + 4 + INLAY_TAG);
		CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
		CHECK(desc_of(packet, n).hdr_len == 1 + INLAY_OWN_CID + pn_len);
		CHECK(desc_pn(packet, n) == pn_len);
	}
	return 0;
}

int case_not_short(struct inlay_case_env *env)
{
	__u8 packet[ROOM], copy[ROOM];
	static const __u8 first[] = {0x80, 0xc0, 0xff, 0x00, 0x3f};
	struct duplex d;
	size_t n, i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	for (i = 0; i < sizeof(first); i++) {
		n = peer_seal(&d, 0, 1, 1, 0, 20, packet);
		packet[0] = first[i];
		memcpy(copy, packet, n);
		CHECK(open_packet(env, &d, packet, n) == INLAY_NOT_SHORT);
		CHECK(memcmp(copy, packet, n) == 0);
	}
	return 0;
}

int case_unknown_cid(struct inlay_case_env *env)
{
	__u8 packet[ROOM], copy[ROOM];
	struct duplex d;
	size_t n, bit;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	n = peer_seal(&d, 0, 1, 1, 0, 20, packet);
	memcpy(copy, packet, n);
	for (bit = 0; bit < 8 * INLAY_OWN_CID; bit++) {
		copy[1 + bit / 8] ^= (__u8)(1U << bit % 8);
		CHECK(open_packet(env, &d, copy, n) == INLAY_NO_SA);
		copy[1 + bit / 8] ^= (__u8)(1U << bit % 8);
		CHECK(memcmp(copy, packet, n) == 0);
	}
	d.to.port = htons(4434);
	CHECK(open_packet(env, &d, copy, n) == INLAY_NO_SA);
	CHECK(memcmp(copy, packet, n) == 0);
	/* The remote address is not looked at: peers may move (RFC 9000 section 9). */
	d.to.port = htons(4433);
	d.to.ip[3] = 99;
	CHECK(open_packet(env, &d, copy, n) == INLAY_OK);
	return 0;
}

int case_rx_cid_lengths(struct inlay_case_env *env)
{
	__u8 packet[ROOM], copy[ROOM];
	struct duplex d, other;
	size_t n;
	__u8 len;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	for (len = 0; len <= INLAY_CID_MAX; len++) {
		__u8 cid[INLAY_CID_MAX] = {0};

		if (len == INLAY_OWN_CID)
			continue;
		memcpy(cid, d.cid.data, INLAY_OWN_CID);
		other = d;
		inlay_cid_set(&other.cid, cid, len);
		n = peer_seal(&other, 0, 1, 4, 0, 40, packet);
		memcpy(copy, packet, n);
		if (len < INLAY_OWN_CID) {
			/* The rest of what is looked up is a protected number. */
			CHECK(open_packet(env, &d, copy, n) == INLAY_NO_SA);
			CHECK(memcmp(copy, packet, n) == 0);
		} else {
			CHECK(open_packet(env, &d, copy, n) == INLAY_AUTH_FAILED);
		}
	}
	return 0;
}

int case_reserved_bits(struct inlay_case_env *env)
{
	static const __u8 bits[] = {0x08, 0x10, 0x18};
	__u8 packet[ROOM];
	struct duplex d;
	size_t n, i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	for (i = 0; i < sizeof(bits); i++) {
		n = peer_seal(&d, 0, 2 * i, 2, bits[i], 20, packet);
		CHECK(open_packet(env, &d, packet, n) == INLAY_RESERVED_BITS);
		/* Whose it was is told, so that the connection can be closed. */
		CHECK(be32toh(desc_of(packet, n).sa) == d.rx.number);
		CHECK(desc_pn(packet, n) == 2 * i);
		n = peer_seal(&d, 0, 2 * i + 1, 2, bits[i], 20, packet);
		packet[n - 1] ^= 1;
		CHECK(open_packet(env, &d, packet, n) == INLAY_AUTH_FAILED);
	}
	return 0;
}

int case_rx_forgery_limit(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_provider_event event;
	struct inlay_sa_params params;
	struct duplex d = {0};
	__u8 packet[ROOM], copy[ROOM];
	size_t n;
	int i;

	duplex_params(env, &d, 0, INLAY_RX, &params);
	params.soft_limit = 2;
	params.hard_limit = 4;
	CHECK(duplex_add(env, &d, &params) == 0);
	for (i = 0; i < 4; i++) {
		n = peer_seal(&d, i & 1, 5, 1, 0, 20, packet);
		packet[n - 1] ^= 1;
		CHECK(open_packet(env, &d, packet, n) == INLAY_AUTH_FAILED);
		CHECK(p->ops->events(p, &event, 1) == (i == 1 || i == 3));
		CHECK(i != 1 || event.kind == INLAY_EVENT_SOFT_LIMIT);
		CHECK(i != 3 || event.kind == INLAY_EVENT_HARD_LIMIT);
	}
	n = peer_seal(&d, 0, 6, 1, 0, 20, packet);
	memcpy(copy, packet, n);
	CHECK(open_packet(env, &d, packet, n) == INLAY_KEY_EXHAUSTED);
	CHECK(memcmp(copy, packet, n) == 0);
	/* It is the connection's (RFC 9001 section 6.6): new keys do not help. */
	CHECK(duplex_next_phase(env, &d, INLAY_RX, 2, 0) == 0);
	n = peer_seal(&d, 1, 7, 1, 0, 20, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_KEY_EXHAUSTED);
	return 0;
}

int case_open_burst(struct inlay_case_env *env)
{
	enum { N = 150 };
	static __u8 packets[N][128];
	struct inlay_provider *p = env->provider;
	struct inlay_open_item items[N];
	struct duplex d[3];
	size_t i, good = 0;

	for (i = 0; i < 3; i++)
		CHECK(duplex_init(env, &d[i], (__u8)i, 0) == 0);
	for (i = 0; i < N; i++) {
		items[i] = (struct inlay_open_item){.packet = packets[i], .local = d[0].to};
		items[i].len = peer_seal(&d[i % 3], 0, i, 2, 0, 30 + i % 40, packets[i]);
		if (i % 7 == 0)
			packets[i][3] ^= 0x40;
		else if (i % 5 == 0)
			packets[i][20] ^= 0x40;
		else
			good++;
	}
	CHECK(p->ops->open(p, items, N) == good);
	for (i = 0; i < N; i++) {
		if (i % 7 == 0) {
			CHECK(items[i].verdict == INLAY_NO_SA);
		} else if (i % 5 == 0) {
			CHECK(items[i].verdict == INLAY_AUTH_FAILED);
		} else {
			CHECK(items[i].verdict == INLAY_OK);
			CHECK(desc_pn(packets[i], items[i].len) == i);
			CHECK(be32toh(desc_of(packets[i], items[i].len).sa) == d[i % 3].rx.number);
			CHECK(has_pattern(packets[i], 11, 30 + i % 40, i));
		}
	}
	return 0;
}
