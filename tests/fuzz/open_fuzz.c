/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The provider's open operation, with an SA in place. The first byte chooses cipher and way:
 *
 *   raw      the rest of the input is the datagram, as it is
 *   routed   the same, but with the SA's CID where a CID stands
 *   mutated  a packet sealed by the provider (number, payload length), then changed at the places
 *            that the rest of the input names: {offset u16, exclusive-or u8}...
 *
 * It opens exactly what was sealed; refused packets are left as provider.h says.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "inlay_cursor.h"
#include "inlay_quic.h"
#include "provider_local.h"

#define ROOM	   2048
#define HEADER_LEN (1 + INLAY_OWN_CID + INLAY_TX_PN)

enum way { RAW, ROUTED, MUTATED };

static const struct inlay_cid own_cid = {.len = INLAY_OWN_CID, .data = {1, 2, 3, 4, 5, 6, 7, 8}};

struct world {
	struct inlay_provider *provider;
	struct inlay_sa_ref tx, rx;
};

static void must(bool condition)
{
	if (!condition)
		abort();
}

static void add_sas(struct world *w, enum inlay_cipher cipher, enum way way, __u64 next_pn)
{
	struct inlay_sa_params params = {
		.cipher = cipher,
		.cids = &own_cid,
		.n_cids = 1,
		/* libFuzzer learns what is compared, so it has seen packets sealed for MUTATED. */
		.keys = {.key = {1, way == MUTATED}, .iv = {2}},
		.hp = {3},
		.next_pn = next_pn,
	};
	const struct inlay_keys next = {.key = {4}, .iv = {5}};

	params.direction = INLAY_TX;
	must(w->provider->ops->sa_add(w->provider, &params, &w->tx) == 0);
	params.direction = INLAY_RX;
	must(w->provider->ops->sa_add(w->provider, &params, &w->rx) == 0);
	must(w->provider->ops->next_phase(w->provider, w->rx, 0, &next) == 0);
}

static size_t seal(struct world *w, __u8 *packet, __u64 pn, size_t payload_len)
{
	struct inlay_seal_item item = {
		.header = packet,
		.header_len = HEADER_LEN,
		.payload = packet + HEADER_LEN,
		.payload_len = payload_len,
		.dst = packet,
		.dst_room = ROOM,
		.sa = w->tx,
		.pn = pn,
	};
	int i;

	packet[0] = 0x43;
	memcpy(packet + 1, own_cid.data, INLAY_OWN_CID);
	for (i = 0; i < INLAY_TX_PN; i++)
		packet[1 + INLAY_OWN_CID + i] = (__u8)(pn >> (8 * (INLAY_TX_PN - 1 - i)));
	memset(packet + HEADER_LEN, 0xda, payload_len);
	must(w->provider->ops->seal(w->provider, &item, 1) == 1);
	return HEADER_LEN + payload_len + INLAY_TAG;
}

/* What provider.h promises of a packet that was refused. */
static void check_refused(const struct inlay_open_item *item, const __u8 *before)
{
	size_t len = item->len, i;

	must(item->verdict > INLAY_OK && item->verdict <= INLAY_BAD_ITEM);
	must(item->verdict != INLAY_RESERVED_BITS);
	if (item->verdict != INLAY_AUTH_FAILED) {
		must(memcmp(item->packet, before, len) == 0);
		return;
	}
	must(memcmp(item->packet + len - INLAY_TAG, before + len - INLAY_TAG, INLAY_TAG) == 0);
	must(memcmp(item->packet, before, 1 + INLAY_OWN_CID) == 0);
	for (i = HEADER_LEN; i < len - INLAY_TAG; i++)
		must(item->packet[i] == 0);
}

static void open_and_check(struct world *w, const __u8 *bytes, size_t len, bool authentic)
{
	/* On the heap, and no longer than it is: an overrun by a byte is seen. */
	__u8 *packet = malloc(len ? len : 1);
	struct inlay_open_item item = {.packet = packet, .len = len};
	struct inlay_quic_clear clear;
	size_t opened;

	must(packet != NULL);
	memcpy(packet, bytes, len);
	opened = w->provider->ops->open(w->provider, &item, 1);
	must(opened == (item.verdict == INLAY_OK));
	must(item.len == len);
	must((item.verdict == INLAY_OK) == authentic);
	if (authentic) {
		must(inlay_quic_clear_parse(packet, len, INLAY_OWN_CID, &clear));
		must(clear.sa == w->rx.number && clear.generation == w->rx.generation);
	} else {
		check_refused(&item, bytes);
	}
	free(packet);
}

static void run_mutated(struct world *w, enum inlay_cipher cipher, struct inlay_cursor *c)
{
	__u8 packet[ROOM], sealed[ROOM], change;
	__u32 pn = 0;
	__u16 payload_len = 0, at;
	size_t len;

	if (!inlay_cursor_be32(c, &pn) || !inlay_cursor_be16(c, &payload_len))
		return;
	payload_len %= ROOM - HEADER_LEN - INLAY_TAG;
	add_sas(w, cipher, MUTATED, pn);
	len = seal(w, packet, pn, payload_len);
	memcpy(sealed, packet, len);
	while (inlay_cursor_be16(c, &at) && inlay_cursor_u8(c, &change))
		packet[at % len] ^= change;
	open_and_check(w, packet, len, memcmp(sealed, packet, len) == 0);
	/* Whatever came, the real packet opens. */
	open_and_check(w, sealed, len, true);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct world w;
	struct inlay_cursor c = inlay_cursor_of(data, size);
	enum inlay_cipher cipher;
	enum way way;
	__u8 first, packet[ROOM];
	size_t len;

	if (!w.provider)
		w.provider = inlay_provider_local_new(
			&(struct inlay_provider_local_config){.max_sa = 2, .max_cids = 2});
	must(w.provider != NULL);
	if (!inlay_cursor_u8(&c, &first))
		return 0;
	cipher = INLAY_AES_128_GCM + first % 3;
	way = first / 3 % 3;
	if (way == MUTATED) {
		run_mutated(&w, cipher, &c);
	} else {
		add_sas(&w, cipher, way, 0);
		len = inlay_cursor_left(&c) < ROOM ? inlay_cursor_left(&c) : ROOM;
		memcpy(packet, c.pos, len);
		if (way == ROUTED && len > INLAY_OWN_CID) {
			packet[0] = (packet[0] & 0x7f) | 0x40;
			memcpy(packet + 1, own_cid.data, INLAY_OWN_CID);
		}
		open_and_check(&w, packet, len, false);
	}
	w.provider->ops->sa_del(w.provider, w.tx);
	w.provider->ops->sa_del(w.provider, w.rx);
	return 0;
}
