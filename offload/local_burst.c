/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Provider `local`: bursts of packets. Each is checked and given its key one by one; the ciphers
 * then work on the whole burst.
 */
#include <string.h>

#include "inlay_quic.h"
#include "inlay_writer.h"
#include "local_sa.h"

/* What a UDP datagram can carry; lengths beyond are nonsense. */
#define LARGEST_DATAGRAM 65527

#define AHEAD	 4   /* items whose SA is fetched meanwhile */
#define MANY_SAS 256 /* more than near caches hold */

/* --- Sealing ---------------------------------------------------------------------------------- */

/* The header is one that we could have written, and names the item's packet number. */
static enum inlay_verdict check_header(const struct inlay_seal_item *item)
{
	const __u8 *h = item->header;
	struct inlay_cursor c;
	__u32 truncated;

	if (item->header_len < 1 + INLAY_TX_PN ||
	    item->header_len > 1 + INLAY_CID_MAX + INLAY_TX_PN)
		return INLAY_BAD_ITEM;
	if (inlay_quic_is_long(h[0]) || !(h[0] & 0x40))
		return INLAY_NOT_SHORT;
	if ((h[0] & INLAY_QUIC_SHORT_RESERVED) || (h[0] & 3) != INLAY_TX_PN - 1)
		return INLAY_BAD_ITEM;
	c = inlay_cursor_of(h + item->header_len - INLAY_TX_PN, INLAY_TX_PN);
	if (!inlay_cursor_be32(&c, &truncated) || truncated != (__u32)item->pn ||
	    item->pn > INLAY_PN_MAX)
		return INLAY_BAD_ITEM;
	return INLAY_OK;
}

/* In place, or apart: ciphers read and write in blocks. */
static bool lies_askew(const __u8 *part, size_t len, const __u8 *place, const __u8 *dst,
		       const __u8 *end)
{
	return len > 0 && part != place && part < end && dst < part + len;
}

static enum inlay_verdict check_room(const struct inlay_seal_item *item)
{
	const __u8 *body = item->dst + item->header_len;
	const __u8 *end;

	if (item->prefix_len > INLAY_SEAL_PREFIX ||
	    item->payload_len > LARGEST_DATAGRAM - item->header_len - item->prefix_len - INLAY_TAG)
		return INLAY_BAD_ITEM;
	if (item->dst_room < item->header_len + item->prefix_len + item->payload_len + INLAY_TAG)
		return INLAY_NO_ROOM;
	end = body + item->prefix_len + item->payload_len + INLAY_TAG;
	if (lies_askew(item->payload, item->payload_len, body + item->prefix_len, item->dst, end) ||
	    lies_askew(item->prefix, item->prefix_len, body, item->dst, end))
		return INLAY_BAD_ITEM;
	return INLAY_OK;
}

/* Invariant 2 stands here: no return of INLAY_OK without a number taken, once. */
static enum inlay_verdict take_key(struct inlay_local *l, struct local_sa *sa, __u64 pn,
				   struct local_phase **ret_phase)
{
	struct local_phase *phase = &sa->phases[pn >= sa->first_pn ? PHASE_CURRENT : PHASE_OLD];

	if (!phase->key)
		return INLAY_PN_REPEATED;
	if (phase->sealed >= sa->hard_limit)
		return INLAY_KEY_EXHAUSTED;
	if (!inlay_pn_window_take(&sa->window, pn))
		return INLAY_PN_REPEATED;
	phase->sealed++;
	if (phase->sealed == sa->soft_limit)
		inlay_local_sa_raise(l, sa, INLAY_EVENT_SOFT_LIMIT);
	if (phase->sealed == sa->hard_limit)
		inlay_local_sa_raise(l, sa, INLAY_EVENT_HARD_LIMIT);
	*ret_phase = phase;
	return INLAY_OK;
}

static enum inlay_verdict find_tx_sa(struct inlay_local *l, struct inlay_sa_ref ref,
				     struct local_sa **ret_sa)
{
	struct local_sa *sa = ref.number < l->max_sa ? l->slots[ref.number].sa : NULL;

	if (!sa)
		return INLAY_NO_SA;
	if (l->slots[ref.number].generation != ref.generation)
		return INLAY_STALE_SA;
	if (sa->direction != INLAY_TX)
		return INLAY_BAD_ITEM;
	*ret_sa = sa;
	return INLAY_OK;
}

/* Stages of a burst; the last one is of the payload that items have at the moment. */
struct staging {
	struct local_stage *stages;
	size_t n;
	const __u8 *payload; /* NULL: none is staged */
	size_t payload_len;
};

/* Where the item's payload has room before it for a prefix: in a stage, if the |next| item shares
 * it, or the one before did; or else in |dst|. */
static const __u8 *place_payload(struct staging *s, const struct inlay_seal_item *item,
				 const struct inlay_seal_item *next)
{
	__u8 *body = item->dst + item->header_len;

	if (item->payload_len && item->payload == s->payload && item->payload_len == s->payload_len)
		return s->stages[s->n - 1].payload;
	s->payload = NULL;
	if (item->payload != body + item->prefix_len && next && next->prefix_len &&
	    next->payload == item->payload && next->payload_len == item->payload_len &&
	    item->payload_len && item->payload_len <= sizeof(s->stages->payload)) {
		s->payload = item->payload;
		s->payload_len = item->payload_len;
		memcpy(s->stages[s->n].payload, item->payload, item->payload_len);
		return s->stages[s->n++].payload;
	}
	if (item->prefix != body)
		memcpy(body, item->prefix, item->prefix_len);
	if (item->payload_len && item->payload != body + item->prefix_len)
		memcpy(body + item->prefix_len, item->payload, item->payload_len);
	return body + item->prefix_len;
}

/* Most packets go where the SA leads, by its first CID, of eight bytes: that costs no call. */
static bool is_its_path(const struct local_sa *sa, const struct inlay_seal_item *item)
{
	const __u8 *cid = item->header + 1;
	size_t len = item->header_len - 1 - INLAY_TX_PN;

	if (memcmp(&item->remote, &sa->path.remote, sizeof(item->remote)) &&
	    !inlay_local_sa_has_remote(sa, &item->remote))
		return false;
	return (len == INLAY_OWN_CID && sa->n_cids && sa->cids[0].len == INLAY_OWN_CID &&
		!memcmp(cid, sa->cids[0].data, INLAY_OWN_CID)) ||
	       inlay_local_sa_has_cid(sa, cid, len);
}

static enum inlay_verdict check_seal(struct inlay_local *l, const struct inlay_seal_item *item,
				     struct local_sa **ret_sa, struct local_phase **ret_phase)
{
	enum inlay_verdict v = find_tx_sa(l, item->sa, ret_sa);

	if (v == INLAY_OK)
		v = check_header(item);
	if (v == INLAY_OK)
		v = check_room(item);
	if (v != INLAY_OK)
		return v;
	if (!is_its_path(*ret_sa, item))
		return INLAY_WRONG_PATH;
	return take_key(l, *ret_sa, item->pn, ret_phase);
}

/* |next|: the item after this one, or NULL. */
static enum inlay_verdict prepare_seal(struct inlay_local *l, struct staging *s,
				       const struct inlay_seal_item *item,
				       const struct inlay_seal_item *next,
				       struct inlay_packet_seal *packet, struct local_sa **ret_sa)
{
	struct local_phase *phase;
	enum inlay_verdict v = check_seal(l, item, ret_sa, &phase);
	const struct local_sa *sa;

	if (v != INLAY_OK)
		return v;
	sa = *ret_sa;
	if (item->header != item->dst)
		memmove(item->dst, item->header, item->header_len);
	item->dst[0] &= (__u8)~INLAY_QUIC_SHORT_PHASE;
	if (sa->phase_bit == (phase == &sa->phases[PHASE_CURRENT]))
		item->dst[0] |= INLAY_QUIC_SHORT_PHASE;
	*packet = (struct inlay_packet_seal){
		.key = phase->key,
		.hp = sa->hp,
		.pn = item->pn,
		.prefix = item->prefix,
		.prefix_len = (__u16)item->prefix_len,
		.payload = item->payload_len ? item->payload : item->dst + item->header_len,
		.payload_len = (__u32)item->payload_len,
		.header_len = (__u16)item->header_len,
		.pn_len = INLAY_TX_PN,
		.dst = item->dst,
	};
	if (item->prefix_len) {
		packet->payload = place_payload(s, item, next);
		/* In place it stands there already. */
		if (packet->payload == item->dst + item->header_len + item->prefix_len) {
			packet->payload -= item->prefix_len;
			packet->payload_len += (__u32)item->prefix_len;
			packet->prefix_len = 0;
		}
	}
	return INLAY_OK;
}

static bool finish_seal(struct inlay_local *l, struct local_sa *sa, struct inlay_seal_item *item,
			const struct inlay_packet_seal *packet)
{
	/* The window has passed all that the old keys could still seal. */
	if (sa->phases[PHASE_OLD].key && inlay_pn_window_lowest(&sa->window) >= sa->first_pn)
		inlay_local_sa_drop_phase(l, sa, PHASE_OLD);
	if (!packet->ok) {
		item->verdict = INLAY_BAD_ITEM;
		return false;
	}
	sa->stats.packets++;
	sa->stats.bytes +=
		packet->header_len + packet->prefix_len + packet->payload_len + INLAY_TAG;
	if (item->pn > sa->stats.largest_pn)
		sa->stats.largest_pn = item->pn;
	return true;
}

static void prefetch_lines(const void *p, size_t bytes)
{
	for (size_t at = 0; at < bytes; at += INLAY_CACHELINE)
		__builtin_prefetch((const __u8 *)p + at);
}

/* With a thousand SAs in turn, each is in no near cache when its turn comes. */
static void prefetch_sa(const struct inlay_local *l, const struct inlay_seal_item *item)
{
	const struct local_sa *sa =
		item->sa.number < l->max_sa ? l->slots[item->sa.number].sa : NULL;

	if (!sa)
		return;
	prefetch_lines(sa, offsetof(struct local_sa, cids) + sizeof(sa->cids[0]));
	__builtin_prefetch(&sa->window, 1);
	__builtin_prefetch(&sa->window.bits[item->pn / 64 % INLAY_PN_WINDOW_WORDS], 1);
}

static size_t seal_burst(struct inlay_local *l, struct inlay_seal_item *items, size_t n)
{
	struct inlay_packet_seal packets[INLAY_AEAD_BURST];
	struct local_sa *sas[INLAY_AEAD_BURST];
	struct inlay_seal_item *of[INLAY_AEAD_BURST];
	struct staging staging = {.stages = l->stages};
	/* Of fewer SAs most is near, and to ask for it costs more than it saves. */
	bool far = l->max_sa - l->n_free > MANY_SAS;
	size_t i, m = 0, done = 0;

	for (i = 0; i < n; i++) {
		const struct inlay_seal_item *next = i + 1 < n ? &items[i + 1] : NULL;

		if (far && i + AHEAD < n)
			prefetch_sa(l, &items[i + AHEAD]);
		items[i].verdict =
			(__u8)prepare_seal(l, &staging, &items[i], next, &packets[m], &sas[m]);
		if (items[i].verdict != INLAY_OK)
			continue;
		if (far) {
			prefetch_lines(packets[m].key, inlay_packet_key_size(&l->aead));
			prefetch_lines(packets[m].hp, l->aead.backend->mask_size);
		}
		of[m++] = &items[i];
	}
	inlay_protection_seal(&l->aead, packets, m);
	for (i = 0; i < m; i++)
		done += finish_seal(l, sas[i], of[i], &packets[i]);
	return done;
}

size_t inlay_local_seal(struct inlay_provider *p, struct inlay_seal_item *items, size_t n)
{
	struct inlay_local *l = inlay_local_of(p);
	size_t i, done = 0;

	pthread_mutex_lock(&l->lock);
	for (i = 0; i < n; i += INLAY_AEAD_BURST)
		done += seal_burst(l, items + i,
				   n - i < INLAY_AEAD_BURST ? n - i : INLAY_AEAD_BURST);
	pthread_mutex_unlock(&l->lock);
	return done;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static enum inlay_verdict find_rx_sa(struct inlay_local *l, const struct inlay_open_item *item,
				     struct local_sa **ret_sa)
{
	struct inlay_cursor c = inlay_cursor_of(item->packet, item->len);
	struct inlay_quic_short h;
	struct local_sa *sa;
	__u32 number;

	if (item->len == 0)
		return INLAY_RUNT;
	if (inlay_quic_is_long(item->packet[0]) || !(item->packet[0] & 0x40))
		return INLAY_NOT_SHORT;
	/* RFC 9001 section 5.4.2: what is too short for a sample is discarded. */
	if (!inlay_quic_short_parse(&c, INLAY_OWN_CID, &h) ||
	    inlay_cursor_left(&c) < 4 + INLAY_SAMPLE)
		return INLAY_RUNT;
	if (item->len > LARGEST_DATAGRAM)
		return INLAY_BAD_ITEM;
	if (!inlay_cid_table_find(&l->cids, item->local.port, h.dcid, &number))
		return INLAY_NO_SA;
	sa = l->slots[number].sa;
	if (sa->stats.auth_failures >= sa->hard_limit)
		return INLAY_KEY_EXHAUSTED;
	*ret_sa = sa;
	return INLAY_OK;
}

/*
 * RFC 9001 section 6.5. Exactly one key is tried, and old and next ones cost the same, so that time
 * does not tell which. Without the old keys the next ones stand in for them, and fail.
 */
static enum local_phase_index choose_phase(const struct local_sa *sa,
					   const struct inlay_packet_open *packet)
{
	bool bit = packet->first & INLAY_QUIC_SHORT_PHASE;

	if (bit == sa->phase_bit)
		return PHASE_CURRENT;
	if (sa->phases[PHASE_OLD].key && packet->pn < sa->phases[PHASE_CURRENT].lowest)
		return PHASE_OLD;
	return PHASE_NEXT;
}

static void count_failure(struct inlay_local *l, struct local_sa *sa)
{
	sa->stats.auth_failures++;
	if (sa->stats.auth_failures == sa->soft_limit)
		inlay_local_sa_raise(l, sa, INLAY_EVENT_SOFT_LIMIT);
	if (sa->stats.auth_failures == sa->hard_limit)
		inlay_local_sa_raise(l, sa, INLAY_EVENT_HARD_LIMIT);
}

static void write_descriptor(const struct inlay_local *l, const struct local_sa *sa,
			     const struct inlay_packet_open *packet, enum local_phase_index phase)
{
	static const __u8 flags[N_PHASES] = {
		[PHASE_OLD] = INLAY_DESC_OLD_PHASE,
		[PHASE_NEXT] = INLAY_DESC_NEXT_PHASE,
	};
	struct inlay_writer w =
		inlay_writer_of(packet->packet + packet->len - INLAY_TAG, INLAY_TAG);

	inlay_writer_be32(&w, sa->number);
	inlay_writer_u8(&w, flags[phase]);
	inlay_writer_u8(&w, (__u8)(packet->pn_offset + packet->pn_len));
	inlay_writer_be16(&w, l->slots[sa->number].generation);
	inlay_writer_be32(&w, (__u32)(packet->pn >> 32));
	inlay_writer_be32(&w, (__u32)packet->pn);
}

static enum inlay_verdict finish_open(struct inlay_local *l, struct local_sa *sa,
				      const struct inlay_packet_open *packet,
				      enum local_phase_index phase)
{
	if (!packet->ok) {
		count_failure(l, sa);
		return INLAY_AUTH_FAILED;
	}
	sa->stats.packets++;
	sa->stats.bytes += packet->len;
	if (packet->pn >= sa->expected)
		sa->expected = packet->pn + 1;
	if (packet->pn > sa->stats.largest_pn)
		sa->stats.largest_pn = packet->pn;
	if (packet->pn < sa->phases[phase].lowest)
		sa->phases[phase].lowest = packet->pn;
	write_descriptor(l, sa, packet, phase);
	/* RFC 9000 section 17.3.1: judged only once both protections are off. */
	return packet->first & INLAY_QUIC_SHORT_RESERVED ? INLAY_RESERVED_BITS : INLAY_OK;
}

static size_t open_burst(struct inlay_local *l, struct inlay_open_item *items, size_t n)
{
	struct inlay_packet_open packets[INLAY_AEAD_BURST];
	enum local_phase_index phases[INLAY_AEAD_BURST];
	struct inlay_open_item *of[INLAY_AEAD_BURST];
	struct local_sa *sas[INLAY_AEAD_BURST];
	size_t i, m = 0, k, done = 0;

	for (i = 0; i < n; i++) {
		items[i].verdict = (__u8)find_rx_sa(l, &items[i], &sas[m]);
		if (items[i].verdict != INLAY_OK)
			continue;
		packets[m] = (struct inlay_packet_open){
			.packet = items[i].packet,
			.len = items[i].len,
			.pn_offset = 1 + INLAY_OWN_CID,
			.hp = sas[m]->hp,
		};
		of[m++] = &items[i];
	}
	inlay_protection_unmask(&l->aead, packets, m);
	for (i = 0, k = 0; i < m; i++) {
		struct inlay_packet_open *p = &packets[i];

		p->pn = inlay_protection_recover_pn(sas[i]->expected, p->truncated, p->pn_len);
		phases[i] = choose_phase(sas[i], p);
		p->key = sas[i]->phases[phases[i]].key;
		if (!p->key || p->pn > INLAY_PN_MAX) {
			count_failure(l, sas[i]);
			of[i]->verdict = INLAY_AUTH_FAILED;
			continue;
		}
		packets[k] = *p;
		phases[k] = phases[i];
		sas[k] = sas[i];
		of[k++] = of[i];
	}
	inlay_protection_open(&l->aead, packets, k);
	for (i = 0; i < k; i++) {
		of[i]->verdict = (__u8)finish_open(l, sas[i], &packets[i], phases[i]);
		done += of[i]->verdict == INLAY_OK;
	}
	return done;
}

size_t inlay_local_open(struct inlay_provider *p, struct inlay_open_item *items, size_t n)
{
	struct inlay_local *l = inlay_local_of(p);
	size_t i, done = 0;

	pthread_mutex_lock(&l->lock);
	for (i = 0; i < n; i += INLAY_AEAD_BURST)
		done += open_burst(l, items + i,
				   n - i < INLAY_AEAD_BURST ? n - i : INLAY_AEAD_BURST);
	pthread_mutex_unlock(&l->lock);
	return done;
}
