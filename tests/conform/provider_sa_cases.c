/* SPDX-License-Identifier: BSD-2-Clause */
/* Provider cases: security associations, their CIDs and their lives. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "inlay_atomic.h"
#include "inlay_quic.h"
#include "provider_cases_list.h"
#include "provider_env.h"

#define LEN 20
#define N   (HEADER_LEN + LEN + INLAY_TAG)

int case_caps(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_provider_caps caps = {0};

	p->ops->caps(p, &caps);
	CHECK(caps.name && caps.name[0]);
	CHECK(caps.ciphers & 1U << env->cipher);
	CHECK(!(caps.ciphers & ~(1U << INLAY_AES_128_GCM | 1U << INLAY_AES_256_GCM |
				 1U << INLAY_CHACHA20_POLY1305)));
	CHECK(caps.max_sa >= CASE_MAX_SA);
	CHECK(caps.max_rx_cid_len >= INLAY_OWN_CID);
	return 0;
}

int case_sa_add_refused(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_params params, bad;
	struct inlay_cid cids[2], other;
	struct inlay_sa_ref ref = {.number = 77};
	struct duplex d = {0};
	__u8 packet[ROOM];
	size_t n;

	duplex_params(env, &d, 0, INLAY_RX, &params);
	bad = params;
	bad.cipher = 9;
	CHECK(p->ops->sa_add(p, &bad, &ref) == -ENOTSUP);
	bad = params;
	bad.direction = 3;
	CHECK(p->ops->sa_add(p, &bad, &ref) == -EINVAL);
	bad = params;
	bad.next_pn = INLAY_PN_MAX + 1;
	CHECK(p->ops->sa_add(p, &bad, &ref) == -EINVAL);
	/* A second CID that is wrong leaves nothing of the first. */
	bad = params;
	cids[0] = d.cid;
	inlay_cid_set(&cids[1], d.cid.data, INLAY_OWN_CID - 1);
	bad.cids = cids;
	bad.n_cids = 2;
	CHECK(p->ops->sa_add(p, &bad, &ref) == -EINVAL);
	cids[1] = d.cid;
	CHECK(p->ops->sa_add(p, &bad, &ref) == -EEXIST);
	CHECK(ref.number == 77);
	CHECK(duplex_add(env, &d, &params) == 0);
	n = peer_seal(&d, 0, 1, 1, 0, LEN, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	inlay_cid_set(&other, (const __u8 *)"123456789", INLAY_OWN_CID + 1);
	CHECK(p->ops->cid_add(p, d.rx, &other) == -EINVAL);
	inlay_cid_set(&other, NULL, 0);
	CHECK(p->ops->cid_add(p, d.rx, &other) == -EINVAL);
	return 0;
}

int case_several_cids(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_cid cids[8];
	__u8 packet[ROOM];
	struct duplex d;
	size_t n;
	int i, k;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	for (i = 0; i < 8; i++) {
		cids[i] = d.cid;
		cids[i].data[0] ^= (__u8)i;
		CHECK(i == 0 || p->ops->cid_add(p, d.rx, &cids[i]) == 0);
		CHECK(p->ops->cid_add(p, d.rx, &cids[i]) == -EEXIST);
	}
	/* Delete them one by one, in an order of no kind. */
	for (k = 0; k < 8; k++) {
		for (i = 0; i < 8; i++) {
			bool deleted = i * 3 % 8 < k;

			d.cid = cids[i];
			n = peer_seal(&d, 0, (__u64)(10 * k + i), 2, 0, LEN, packet);
			CHECK(open_packet(env, &d, packet, n) ==
			      (deleted ? INLAY_NO_SA : INLAY_OK));
		}
		for (i = 0; i < 8; i++)
			if (i * 3 % 8 == k)
				CHECK(p->ops->cid_del(p, d.rx, &cids[i]) == 0);
	}
	CHECK(p->ops->cid_del(p, d.rx, &cids[0]) == -ENOENT);
	CHECK(p->ops->cid_add(p, d.rx, &cids[5]) == 0);
	d.cid = cids[5];
	n = peer_seal(&d, 0, 99, 2, 0, LEN, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	return 0;
}

int case_cid_conflict(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_params params;
	struct inlay_cid first;
	struct duplex d, e;
	__u8 packet[ROOM];
	size_t n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(duplex_init(env, &e, 1, 0) == 0);
	first = d.cid;
	CHECK(p->ops->cid_add(p, e.rx, &first) == -EEXIST);
	duplex_params(env, &d, 0, INLAY_RX, &params);
	CHECK(duplex_add(env, &d, &params) == -EEXIST);
	/* At another port it is another key. */
	params.path.local.port = htons(5000);
	CHECK(p->ops->sa_add(p, &params, &(struct inlay_sa_ref){0}) == 0);
	n = peer_seal(&d, 0, 1, 1, 0, LEN, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	CHECK(be32toh(desc_of(packet, n).sa) == d.rx.number);
	CHECK(p->ops->sa_del(p, d.rx) == 0);
	CHECK(p->ops->cid_add(p, e.rx, &first) == 0);
	e.cid = first;
	n = peer_seal(&e, 0, 2, 1, 0, LEN, packet);
	CHECK(open_packet(env, &e, packet, n) == INLAY_OK);
	CHECK(be32toh(desc_of(packet, n).sa) == e.rx.number);
	return 0;
}

int case_cid_limits(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_cid cid;
	struct duplex d[3];
	size_t added = 0;
	int i, k, err = 0;

	for (i = 0; i < 3; i++)
		CHECK(duplex_init(env, &d[i], (__u8)i, 0) == 0);
	/* One SA takes no more than its share, all of them no more than the provider's. */
	for (i = 0; i < 3; i++) {
		cid = d[i].cid;
		for (k = 1; k < 100; k++) {
			cid.data[0] = (__u8)k;
			err = p->ops->cid_add(p, d[i].rx, &cid);
			if (err)
				break;
			added++;
		}
		CHECK(err == -ENOSPC);
	}
	CHECK(added >= 8 && added <= CASE_MAX_CIDS - 3);
	cid = d[0].cid;
	for (k = 1; k < 100; k++) {
		cid.data[0] = (__u8)k;
		err = p->ops->cid_add(p, d[0].tx, &cid);
		if (err)
			break;
	}
	CHECK(err == -ENOSPC && k > 8);
	return 0;
}

int case_rx_port_move(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_params params;
	struct inlay_path path;
	struct inlay_cid second;
	struct duplex d, e = {0};
	__u8 packet[ROOM];
	size_t n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	second = d.cid;
	second.data[0] ^= 0x80;
	CHECK(p->ops->cid_add(p, d.rx, &second) == 0);
	/* Another SA has the second CID at the port to move to. */
	duplex_params(env, &e, 1, INLAY_RX, &params);
	params.cids = &second;
	params.path.local.port = htons(5000);
	CHECK(p->ops->sa_add(p, &params, &e.rx) == 0);
	path.local = d.to;
	path.remote = d.from;
	path.local.port = htons(5000);
	CHECK(p->ops->set_path(p, d.rx, &path) == -EEXIST);
	n = peer_seal(&d, 0, 1, 1, 0, LEN, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	CHECK(p->ops->sa_del(p, e.rx) == 0);
	CHECK(p->ops->set_path(p, d.rx, &path) == 0);
	n = peer_seal(&d, 0, 2, 1, 0, LEN, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_NO_SA);
	d.to.port = htons(5000);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	d.cid = second;
	n = peer_seal(&d, 0, 3, 1, 0, LEN, packet);
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	/* What the new port holds can be released again. */
	CHECK(p->ops->sa_del(p, d.rx) == 0);
	CHECK(p->ops->sa_add(p, &params, &e.rx) == 0);
	return 0;
}

int case_table_full(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_ref refs[CASE_MAX_SA], other;
	struct inlay_provider_caps caps;
	struct inlay_sa_params params;
	struct duplex d = {0};
	__u8 packet[ROOM];
	__u32 i;

	p->ops->caps(p, &caps);
	if (caps.max_sa != CASE_MAX_SA)
		return 0; /* more than asked for: not ours to fill */
	duplex_params(env, &d, 0, INLAY_TX, &params);
	for (i = 0; i < CASE_MAX_SA; i++)
		CHECK(p->ops->sa_add(p, &params, &refs[i]) == 0);
	CHECK(p->ops->sa_add(p, &params, &other) == -ENOSPC);
	CHECK(p->ops->sa_del(p, refs[7]) == 0);
	CHECK(p->ops->sa_add(p, &params, &d.tx) == 0);
	CHECK(d.tx.generation != 0);
	CHECK(d.tx.number != refs[7].number || d.tx.generation != refs[7].generation);
	CHECK(seal_pattern(env, &d, 1, LEN, packet) == INLAY_OK);
	CHECK(p->ops->sa_add(p, &params, &other) == -ENOSPC);
	return 0;
}

int case_stale_generation(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_params params;
	struct duplex d = {0};
	struct inlay_sa_ref old, now;
	__u8 packet[ROOM];
	int i;

	duplex_params(env, &d, 0, INLAY_TX, &params);
	CHECK(p->ops->sa_add(p, &params, &old) == 0);
	CHECK(p->ops->sa_del(p, old) == 0);
	memset(packet, 0xee, sizeof(packet));
	/* Until the number comes round again. */
	for (i = 0; i < 2 * CASE_MAX_SA; i++) {
		CHECK(p->ops->sa_add(p, &params, &now) == 0);
		if (now.number == old.number)
			break;
		CHECK(p->ops->sa_del(p, now) == 0);
	}
	CHECK(now.number == old.number && now.generation != old.generation);
	d.tx = old;
	CHECK(seal_pattern(env, &d, 1, LEN, packet) == INLAY_STALE_SA);
	CHECK(all_bytes_are(packet, sizeof(packet), 0xee));
	d.tx.generation = 0;
	CHECK(seal_pattern(env, &d, 1, LEN, packet) == INLAY_STALE_SA);
	d.tx = now;
	CHECK(seal_pattern(env, &d, 1, LEN, packet) == INLAY_OK);
	return 0;
}

int case_stale_operations(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_stats stats;
	struct inlay_path path = {0};
	struct inlay_sa_ref refs[4];
	struct inlay_keys keys = {0};
	struct duplex d;
	int i;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(p->ops->sa_del(p, d.tx) == 0);
	CHECK(p->ops->sa_del(p, d.rx) == 0);
	refs[0] = d.tx;
	refs[1] = d.rx;
	refs[2] = (struct inlay_sa_ref){.number = CASE_MAX_SA + 1000, .generation = 1};
	refs[3] = (struct inlay_sa_ref){.number = d.tx.number, .generation = 0};
	for (i = 0; i < 4; i++) {
		CHECK(p->ops->sa_del(p, refs[i]) == -ESTALE);
		CHECK(p->ops->cid_add(p, refs[i], &d.cid) == -ESTALE);
		CHECK(p->ops->cid_del(p, refs[i], &d.cid) == -ESTALE);
		CHECK(p->ops->next_phase(p, refs[i], 5, &keys) == -ESTALE);
		CHECK(p->ops->drop_old_phase(p, refs[i]) == -ESTALE);
		CHECK(p->ops->advance(p, refs[i], 5) == -ESTALE);
		CHECK(p->ops->set_path(p, refs[i], &path) == -ESTALE);
		CHECK(p->ops->remote_add(p, refs[i], &path.remote) == -ESTALE);
		CHECK(p->ops->remote_del(p, refs[i], &path.remote) == -ESTALE);
		CHECK(p->ops->stats(p, refs[i], &stats) == -ESTALE);
	}
	return 0;
}

int case_nothing_after_delete(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	__u8 packet[ROOM], before[ROOM], dst[ROOM];
	struct duplex d;
	size_t n;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	CHECK(seal_pattern(env, &d, 1, LEN, dst) == INLAY_OK);
	n = peer_seal(&d, 0, 1, 1, 0, LEN, packet);
	memcpy(before, packet, n);
	CHECK(p->ops->sa_del(p, d.tx) == 0);
	CHECK(p->ops->sa_del(p, d.rx) == 0);
	memset(dst, 0xee, sizeof(dst));
	CHECK(seal_pattern(env, &d, 2, LEN, dst) == INLAY_NO_SA);
	CHECK(all_bytes_are(dst, sizeof(dst), 0xee));
	CHECK(open_packet(env, &d, packet, n) == INLAY_NO_SA);
	CHECK(memcmp(packet, before, n) == 0);
	return 0;
}

int case_stats(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_sa_stats tx, rx;
	__u8 packet[ROOM];
	struct duplex d;
	__u64 pn;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	for (pn = 10; pn > 0; pn--) {
		CHECK(seal_pattern(env, &d, pn, LEN, packet) == INLAY_OK);
		packet[N - 1] ^= pn % 2;
		CHECK(open_packet(env, &d, packet, N) == (pn % 2 ? INLAY_AUTH_FAILED : INLAY_OK));
		CHECK(seal_pattern(env, &d, pn, LEN, packet) == INLAY_PN_REPEATED);
	}
	CHECK(p->ops->stats(p, d.tx, &tx) == 0);
	CHECK(p->ops->stats(p, d.rx, &rx) == 0);
	CHECK(tx.packets == 10 && tx.bytes == 10 * N && tx.largest_pn == 10);
	CHECK(tx.auth_failures == 0);
	CHECK(rx.packets == 5 && rx.bytes == 5 * N && rx.largest_pn == 10);
	CHECK(rx.auth_failures == 5);
	return 0;
}

int case_events_of_deleted(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_provider_event events[8];
	struct inlay_sa_params params;
	struct duplex d[3] = {{0}};
	__u8 packet[ROOM];
	__u8 i;

	for (i = 0; i < 3; i++) {
		duplex_params(env, &d[i], i, INLAY_TX, &params);
		params.soft_limit = 1;
		params.hard_limit = 2;
		CHECK(duplex_add(env, &d[i], &params) == 0);
		CHECK(seal_pattern(env, &d[i], 0, LEN, packet) == INLAY_OK);
	}
	CHECK(seal_pattern(env, &d[2], 1, LEN, packet) == INLAY_OK);
	CHECK(p->ops->sa_del(p, d[1].tx) == 0);
	CHECK(p->ops->events(p, events, 0) == 0);
	CHECK(p->ops->events(p, events, 1) == 1);
	CHECK(events[0].sa.number == d[0].tx.number);
	CHECK(events[0].kind == INLAY_EVENT_SOFT_LIMIT);
	CHECK(p->ops->events(p, events, 1) == 1);
	CHECK(events[0].sa.number == d[2].tx.number);
	CHECK(events[0].kind == INLAY_EVENT_SOFT_LIMIT);
	CHECK(p->ops->events(p, events, 8) == 1);
	CHECK(events[0].sa.number == d[2].tx.number);
	CHECK(events[0].kind == INLAY_EVENT_HARD_LIMIT);
	CHECK(p->ops->events(p, events, 8) == 0);
	return 0;
}

/* --- Threads ------------------------------------------------------------------------------------
 */

enum { SEALERS = 3, NUMBERS = 3000 };

struct sealers {
	struct inlay_case_env *env;
	const struct duplex *d;
	__u64 sealed; /* fetch-add */
	__u64 lost;   /* fetch-add: opened wrongly */
	__u64 done;
};

/* Every thread tries every number; opens what it sealed. */
static void *seal_and_open(void *arg)
{
	struct sealers *s = arg;
	__u8 packet[ROOM];
	__u64 i;

	for (i = 0; i < NUMBERS; i++) {
		if (seal_pattern(s->env, s->d, i, LEN, packet) != INLAY_OK)
			continue;
		inlay_fetch_add_u64(&s->sealed, 1);
		if (open_packet(s->env, s->d, packet, N) != INLAY_OK || desc_pn(packet, N) != i)
			inlay_fetch_add_u64(&s->lost, 1);
	}
	inlay_fetch_add_u64(&s->done, 1);
	return NULL;
}

int case_threads(struct inlay_case_env *env)
{
	struct inlay_provider *p = env->provider;
	struct inlay_provider_event event;
	struct sealers s = {.env = env};
	pthread_t threads[SEALERS];
	struct inlay_sa_stats stats;
	struct duplex d, other;
	int i, err = 0;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	s.d = &d;
	for (i = 0; i < SEALERS; i++)
		if (pthread_create(&threads[i], NULL, seal_and_open, &s))
			abort();
	/* The control plane's part, meanwhile. */
	do {
		err |= duplex_init(env, &other, 1, 0);
		err |= p->ops->stats(p, d.tx, &stats);
		err |= (int)p->ops->events(p, &event, 1);
		err |= p->ops->sa_del(p, other.tx);
		err |= p->ops->sa_del(p, other.rx);
	} while (inlay_load_u64(&s.done) < SEALERS);
	for (i = 0; i < SEALERS; i++)
		pthread_join(threads[i], NULL);
	CHECK(err == 0);
	CHECK(s.sealed <= NUMBERS);
	CHECK(s.lost == 0);
	CHECK(p->ops->stats(p, d.tx, &stats) == 0);
	CHECK(stats.packets == s.sealed && stats.largest_pn == NUMBERS - 1);
	/* A window of 4096 loses none of these. */
	CHECK(s.sealed == NUMBERS);
	return 0;
}
