/* SPDX-License-Identifier: BSD-2-Clause */
/* Provider cases: sealing a prefix of one's own before a payload that items share. */
#include "provider_cases_list.h"
#include "provider_env.h"

static void fill(__u8 *p, size_t len, size_t seed)
{
	size_t i;

	for (i = 0; i < len; i++)
		p[i] = (__u8)(7 * i + 13 * seed + 1);
}

/* What the item ought to become. */
static size_t expect(const struct duplex *d, const struct inlay_seal_item *item, __u8 *expected)
{
	struct inlay_keys keys = duplex_keys(d, 0);
	struct inlay_cid cid = d->cid;
	__u8 plain[2 * ROOM], hp[INLAY_KEY_MAX];

	inlay_protection_hp_key(d->cipher, d->secrets[0], hp);
	if (item->prefix_len)
		memcpy(plain, item->prefix, item->prefix_len);
	if (item->payload_len)
		memcpy(plain + item->prefix_len, item->payload, item->payload_len);
	header_write(expected, &cid, item->pn);
	return reference_seal(d->cipher, &keys, hp, expected, HEADER_LEN, item->pn, plain,
			      item->prefix_len + item->payload_len);
}

static struct inlay_seal_item prefixed(const struct duplex *d, __u8 *header, __u64 pn,
				       const __u8 *prefix, size_t prefix_len, const __u8 *payload,
				       size_t payload_len, __u8 *dst)
{
	struct inlay_seal_item item;

	header_write(header, &d->cid, pn);
	item = item_of(d, header, pn, payload, payload_len, dst);
	item.prefix = prefix;
	item.prefix_len = prefix_len;
	return item;
}

int case_prefix_sizes(struct inlay_case_env *env)
{
	static const size_t payload_lens[] = {0, 1, 2, 15, 16, 17, 100, 1151, 1600};
	__u8 header[HEADER_LEN], prefix[INLAY_SEAL_PREFIX], payload[ROOM];
	__u8 packet[ROOM], expected[2 * ROOM];
	struct inlay_provider *p = env->provider;
	struct duplex d;
	size_t i, k, n;
	__u64 pn = 0;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	fill(prefix, sizeof(prefix), 1);
	fill(payload, sizeof(payload), 2);
	for (i = 0; i < INLAY_ARRAY_SIZE(payload_lens); i++) {
		for (k = i ? 0 : 1; k <= INLAY_SEAL_PREFIX; k++, pn++) {
			struct inlay_seal_item item = prefixed(&d, header, pn, prefix, k, payload,
							       payload_lens[i], packet);

			n = expect(&d, &item, expected);
			memset(packet, 0xee, sizeof(packet));
			CHECK(p->ops->seal(p, &item, 1) == 1 && item.verdict == INLAY_OK);
			CHECK(memcmp(packet, expected, n) == 0);
			CHECK(all_bytes_are(packet + n, sizeof(packet) - n, 0xee));
		}
	}
	CHECK(open_packet(env, &d, packet, n) == INLAY_OK);
	CHECK(memcmp(packet + HEADER_LEN, prefix, INLAY_SEAL_PREFIX) == 0);
	return 0;
}

int case_prefix_shared_payload(struct inlay_case_env *env)
{
	enum { N = 70, SAS = 7, LEN = 1100 };
	static __u8 dst[N][ROOM], headers[N][HEADER_LEN], prefixes[N][INLAY_SEAL_PREFIX];
	__u8 payload[LEN], before[LEN], expected[2 * ROOM];
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item items[N];
	struct duplex d[SAS];
	size_t i, n;

	fill(payload, LEN, 3);
	memcpy(before, payload, LEN);
	for (i = 0; i < SAS; i++)
		CHECK(duplex_init(env, &d[i], (__u8)i, 0) == 0);
	for (i = 0; i < N; i++) {
		fill(prefixes[i], sizeof(prefixes[i]), i);
		items[i] = prefixed(&d[i % SAS], headers[i], i, prefixes[i], i % 5 ? i : 0, payload,
				    LEN, dst[i]);
	}
	CHECK(p->ops->seal(p, items, N) == N);
	CHECK(memcmp(payload, before, LEN) == 0);
	for (i = 0; i < N; i++) {
		n = expect(&d[i % SAS], &items[i], expected);
		CHECK(memcmp(dst[i], expected, n) == 0);
	}
	return 0;
}

int case_prefix_several_payloads(struct inlay_case_env *env)
{
	enum { N = 150, LEN = 300 };
	static __u8 dst[N][ROOM], headers[N][HEADER_LEN], prefixes[N][24];
	__u8 payload[3][LEN], expected[2 * ROOM];
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item items[N];
	struct duplex d;
	size_t i, n, good = 0;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	for (i = 0; i < 3; i++)
		fill(payload[i], LEN, i);
	for (i = 0; i < N; i++) {
		/* Runs of one, two and three, and some of one payload cut at another length. */
		size_t which = i / (1 + i / 50) % 3;

		fill(prefixes[i], sizeof(prefixes[i]), i);
		items[i] = prefixed(&d, headers[i], i, prefixes[i], 1 + i % 24, payload[which],
				    i % 11 ? LEN : LEN - 5, dst[i]);
		if (i % 7 == 3)
			items[i].remote.port = 0;
		else
			good++;
	}
	CHECK(p->ops->seal(p, items, N) == good);
	for (i = 0; i < N; i++) {
		if (i % 7 == 3) {
			CHECK(items[i].verdict == INLAY_WRONG_PATH);
			continue;
		}
		n = expect(&d, &items[i], expected);
		CHECK(memcmp(dst[i], expected, n) == 0);
	}
	return 0;
}

int case_prefix_in_dst(struct inlay_case_env *env)
{
	enum { N = 8, P = 13, LEN = 700 };
	static __u8 dst[2 * N][ROOM], apart[2 * N][HEADER_LEN + P];
	__u8 payload[LEN], expected[2 * N][2 * ROOM];
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item items[2 * N];
	size_t i, n = 0;
	struct duplex d;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	fill(payload, LEN, 4);
	/* Every combination of what lies in the destination; each twice, so that payloads that do
	 * not are shared. */
	for (i = 0; i < 2 * N; i++) {
		size_t in = i / 2;
		__u8 *header = in & 1 ? dst[i] : apart[i];
		__u8 *prefix = in & 2 ? dst[i] + HEADER_LEN : apart[i] + HEADER_LEN;
		__u8 *body = dst[i] + HEADER_LEN + P;

		fill(prefix, P, i);
		if (in & 4)
			memcpy(body, payload, LEN);
		items[i] = prefixed(&d, header, i, prefix, P, in & 4 ? body : payload, LEN, dst[i]);
		n = expect(&d, &items[i], expected[i]);
	}
	CHECK(p->ops->seal(p, items, 2 * N) == 2 * N);
	for (i = 0; i < 2 * N; i++)
		CHECK(memcmp(dst[i], expected[i], n) == 0);
	return 0;
}

int case_prefix_refused(struct inlay_case_env *env)
{
	__u8 header[HEADER_LEN], prefix[INLAY_SEAL_PREFIX + 1] = {0}, payload[20] = {0};
	struct inlay_provider *p = env->provider;
	struct inlay_seal_item item;
	__u8 buffer[ROOM] = {0};
	__u8 *const dst = buffer + 100;
	struct duplex d;
	int shift;

	CHECK(duplex_init(env, &d, 0, 0) == 0);
	memset(buffer, 0xee, sizeof(buffer));
	item = prefixed(&d, header, 1, prefix, sizeof(prefix), payload, 20, dst);
	item.dst_room = 500;
	CHECK(p->ops->seal(p, &item, 1) == 0 && item.verdict == INLAY_BAD_ITEM);
	item.prefix_len = 30;
	item.dst_room = HEADER_LEN + 30 + 20 + INLAY_TAG - 1;
	CHECK(p->ops->seal(p, &item, 1) == 0 && item.verdict == INLAY_NO_ROOM);
	/* Both behind one another touch the destination's end, or begin, or lie as they should. */
	for (shift = 1 - HEADER_LEN - 8; shift < 8 + 20 + INLAY_TAG; shift++) {
		if (shift == 0)
			continue;
		item = prefixed(&d, header, 1, dst + HEADER_LEN + shift, 8, payload, 20, dst);
		item.dst_room = 500;
		CHECK(p->ops->seal(p, &item, 1) == 0 && item.verdict == INLAY_BAD_ITEM);
	}
	/* Where it would belong without a prefix. */
	item = prefixed(&d, header, 1, prefix, 8, dst + HEADER_LEN, 20, dst);
	item.dst_room = 500;
	CHECK(p->ops->seal(p, &item, 1) == 0 && item.verdict == INLAY_BAD_ITEM);
	CHECK(all_bytes_are(buffer, sizeof(buffer), 0xee));
	item = prefixed(&d, header, 1, prefix, 8, payload, 20, dst);
	item.dst_room = HEADER_LEN + 8 + 20 + INLAY_TAG;
	CHECK(p->ops->seal(p, &item, 1) == 1);
	CHECK(all_bytes_are(dst + item.dst_room, 100, 0xee));
	return 0;
}
