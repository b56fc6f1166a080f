/* SPDX-License-Identifier: BSD-2-Clause */
/* One packet sealed, one packet opened. */
#include <arpa/inet.h>
#include <endian.h>
#include <string.h>

#include "example.h"

/* RFC 9001 section 5.3. */
static void make_nonce(const struct example *e, const struct inlay_keys *keys, __u64 pn,
		       __u8 nonce[INLAY_IV])
{
	if (e->fault == EXAMPLE_wrong_nonce)
		pn = (__u32)pn;
	memcpy(nonce, keys->iv, INLAY_IV);
	for (int i = 0; i < 8; i++)
		nonce[INLAY_IV - 1 - i] ^= (__u8)(pn >> (8 * i));
}

/* --- Sealing ---------------------------------------------------------------------------------- */

static enum inlay_verdict find_tx_sa(struct example *e, struct inlay_sa_ref ref,
				     struct example_sa **ret_sa)
{
	struct example_sa *sa = ref.number < e->max_sa ? &e->sas[ref.number] : NULL;

	if (!sa || !sa->used)
		return INLAY_NO_SA;
	if (sa->generation != ref.generation && e->fault != EXAMPLE_stale_generation)
		return INLAY_STALE_SA;
	if (sa->direction != INLAY_TX)
		return INLAY_BAD_ITEM;
	*ret_sa = sa;
	return INLAY_OK;
}

/* The header is one of ours, and names the number that the item names. */
static enum inlay_verdict check_header(const struct inlay_seal_item *item)
{
	const __u8 *h = item->header;
	__be32 truncated;

	if (item->header_len < 1 + INLAY_TX_PN ||
	    item->header_len > 1 + INLAY_CID_MAX + INLAY_TX_PN || item->pn > INLAY_PN_MAX)
		return INLAY_BAD_ITEM;
	if ((h[0] & 0xc0) != 0x40)
		return INLAY_NOT_SHORT;
	memcpy(&truncated, h + item->header_len - INLAY_TX_PN, sizeof(truncated));
	if ((h[0] & 0x18) || (h[0] & 3) != INLAY_TX_PN - 1 || ntohl(truncated) != (__u32)item->pn)
		return INLAY_BAD_ITEM;
	return INLAY_OK;
}

/* A part may lie where it belongs in the destination, or apart from it. */
static bool lies_askew(const __u8 *part, size_t len, const __u8 *place,
		       const struct inlay_seal_item *item, size_t total)
{
	return len && part != place && part < item->dst + total && item->dst < part + len;
}

static enum inlay_verdict check_room(const struct inlay_seal_item *item)
{
	const __u8 *body = item->dst + item->header_len;
	size_t total;

	if (item->prefix_len > INLAY_SEAL_PREFIX || item->payload_len > EXAMPLE_PACKET)
		return INLAY_BAD_ITEM;
	total = item->header_len + item->prefix_len + item->payload_len + INLAY_TAG;
	if (total > EXAMPLE_PACKET)
		return INLAY_BAD_ITEM;
	if (item->dst_room < total)
		return INLAY_NO_ROOM;
	if (lies_askew(item->prefix, item->prefix_len, body, item, total) ||
	    lies_askew(item->payload, item->payload_len, body + item->prefix_len, item, total))
		return INLAY_BAD_ITEM;
	return INLAY_OK;
}

/* Each number once, and none of which it is not known any more (invariant 2). */
static bool take_number(const struct example *e, struct example_sa *sa, __u64 pn)
{
	__u64 bit = pn % EXAMPLE_WINDOW;

	if (e->fault == EXAMPLE_number_repeated)
		return true;
	if (pn < sa->floor || pn + EXAMPLE_WINDOW < sa->next_pn)
		return false;
	if (pn >= sa->next_pn) {
		__u64 from =
			pn - sa->next_pn >= EXAMPLE_WINDOW ? pn - EXAMPLE_WINDOW + 1 : sa->next_pn;

		for (; from <= pn; from++)
			sa->taken[from % EXAMPLE_WINDOW / 64] &= ~(1ULL << from % 64);
		sa->next_pn = pn + 1;
	}
	if (sa->taken[bit / 64] & 1ULL << bit % 64)
		return false;
	sa->taken[bit / 64] |= 1ULL << bit % 64;
	return true;
}

/* The keys of the number's phase (design section 4), if they may seal one more. */
static enum inlay_verdict take_key(const struct example *e, struct example_sa *sa, __u64 pn,
				   int *ret_phase)
{
	int which = pn >= sa->first_pn || e->fault == EXAMPLE_phase_ignored ? CURRENT : OLD;
	struct example_phase *phase = &sa->phases[which];

	if (!phase->has)
		return INLAY_PN_REPEATED;
	if (phase->sealed >= sa->hard_limit && e->fault != EXAMPLE_limit_ignored)
		return INLAY_KEY_EXHAUSTED;
	if (!take_number(e, sa, pn))
		return INLAY_PN_REPEATED;
	phase->sealed++;
	if (phase->sealed == sa->soft_limit)
		example_raise(sa, INLAY_EVENT_SOFT_LIMIT);
	if (phase->sealed == sa->hard_limit)
		example_raise(sa, INLAY_EVENT_HARD_LIMIT);
	*ret_phase = which;
	return INLAY_OK;
}

/* Header, prefix and payload one behind the other in e->work. Returns the length. */
static size_t gather(struct example *e, const struct inlay_seal_item *item)
{
	__u8 *at = e->work;

	memcpy(at, item->header, item->header_len);
	at += item->header_len;
	if (item->prefix_len)
		memcpy(at, item->prefix, item->prefix_len);
	at += item->prefix_len;
	if (item->payload_len)
		memcpy(at, item->payload, item->payload_len);
	return item->header_len + item->prefix_len + item->payload_len;
}

static int protect(struct example *e, const struct example_sa *sa, int phase,
		   const struct inlay_seal_item *item)
{
	const struct inlay_keys *keys = &sa->phases[phase].keys;
	size_t header_len = item->header_len, len = gather(e, item);
	__u8 nonce[INLAY_IV], mask[INLAY_SAMPLE], *packet = e->work;

	packet[0] &= (__u8)~0x04;
	if (sa->phase_bit == (phase == CURRENT))
		packet[0] |= 0x04;
	make_nonce(e, keys, item->pn, nonce);
	if (example_seal(sa->cipher, keys, nonce, packet, header_len, packet + header_len,
			 len - header_len, packet + header_len))
		return -1;
	/* The sample begins where the payload does: the number has its four bytes. */
	if (example_mask(sa->cipher, sa->hp, packet + header_len, mask))
		return -1;
	packet[0] ^= mask[0] & 0x1f;
	for (int i = 0; i < INLAY_TX_PN; i++)
		packet[header_len - INLAY_TX_PN + i] ^= mask[1 + i];
	memcpy(item->dst, packet, len + INLAY_TAG);
	return 0;
}

enum inlay_verdict example_seal_item(struct example *e, const struct inlay_seal_item *item)
{
	struct example_sa *sa = NULL;
	enum inlay_verdict v = find_tx_sa(e, item->sa, &sa);
	int phase;

	if (v == INLAY_NO_SA && e->fault == EXAMPLE_cleartext_on_loss)
		memcpy(item->dst, e->work, gather(e, item));
	if (v == INLAY_OK)
		v = check_header(item);
	if (v == INLAY_OK)
		v = check_room(item);
	if (v != INLAY_OK)
		return v;
	if (!example_has_remote(sa, &item->remote) ||
	    !example_has_cid(sa, item->header + 1, item->header_len - 1 - INLAY_TX_PN))
		return INLAY_WRONG_PATH;
	v = take_key(e, sa, item->pn, &phase);
	if (v != INLAY_OK)
		return v;
	if (protect(e, sa, phase, item))
		return INLAY_BAD_ITEM;
	sa->stats.packets++;
	sa->stats.bytes += item->header_len + item->prefix_len + item->payload_len + INLAY_TAG;
	if (item->pn > sa->stats.largest_pn)
		sa->stats.largest_pn = item->pn;
	return INLAY_OK;
}

/* --- Opening ---------------------------------------------------------------------------------- */

static enum inlay_verdict find_rx_sa(struct example *e, const struct inlay_open_item *item,
				     struct example_sa **ret_sa)
{
	size_t compared = e->fault == EXAMPLE_wrong_cid ? INLAY_OWN_CID - 1 : INLAY_OWN_CID;

	if (!item->len)
		return INLAY_RUNT;
	if ((item->packet[0] & 0xc0) != 0x40)
		return INLAY_NOT_SHORT;
	if (item->len < 1 + INLAY_OWN_CID + 4 + INLAY_SAMPLE)
		return INLAY_RUNT;
	if (item->len > EXAMPLE_PACKET)
		return INLAY_BAD_ITEM;
	for (__u32 i = 0; i < e->max_sa; i++) {
		struct example_sa *sa = &e->sas[i];

		if (!sa->used || sa->direction != INLAY_RX ||
		    sa->path.local.port != item->local.port)
			continue;
		for (size_t j = 0; j < sa->n_cids; j++)
			if (!memcmp(sa->cids[j].data, item->packet + 1, compared))
				*ret_sa = sa;
	}
	if (!*ret_sa)
		return INLAY_NO_SA;
	if ((*ret_sa)->stats.auth_failures >= (*ret_sa)->hard_limit &&
	    e->fault != EXAMPLE_limit_ignored)
		return INLAY_KEY_EXHAUSTED;
	return INLAY_OK;
}

/* RFC 9000 appendix A.3. */
static __u64 recover_number(const struct example *e, __u64 expected, __u64 truncated, int bytes)
{
	__u64 window = 1ULL << (8 * bytes), half = window / 2;
	__u64 pn = (expected & ~(window - 1)) | truncated;

	if (e->fault == EXAMPLE_number_recovered_wrongly)
		return pn;
	if (pn + half <= expected && pn < (1ULL << 62) - window)
		return pn + window;
	if (pn > expected + half && pn >= window)
		return pn - window;
	return pn;
}

/* RFC 9001 section 6.5: one key is tried, chosen by phase bit and number. */
static int choose_phase(const struct example *e, const struct example_sa *sa, bool bit, __u64 pn)
{
	if (bit == sa->phase_bit)
		return CURRENT;
	if (sa->phases[OLD].has && pn < sa->phases[CURRENT].lowest)
		return OLD;
	if (e->fault == EXAMPLE_stale_key && pn < sa->phases[CURRENT].lowest)
		return OLD;
	return NEXT;
}

static void write_descriptor(const struct example_sa *sa, const struct inlay_open_item *item,
			     int phase, size_t header_len, __u64 pn)
{
	static const __u8 flags[N_PHASES] = {
		[OLD] = INLAY_DESC_OLD_PHASE, [NEXT] = INLAY_DESC_NEXT_PHASE};
	const struct inlay_desc desc = {
		.sa = htonl(sa->number),
		.flags = flags[phase],
		.hdr_len = (__u8)header_len,
		.generation = htons(sa->generation),
		.pn = htobe64(pn),
	};

	memcpy(item->packet + item->len - INLAY_TAG, &desc, sizeof(desc));
}

static enum inlay_verdict fail(struct example_sa *sa)
{
	sa->stats.auth_failures++;
	if (sa->stats.auth_failures == sa->soft_limit)
		example_raise(sa, INLAY_EVENT_SOFT_LIMIT);
	if (sa->stats.auth_failures == sa->hard_limit)
		example_raise(sa, INLAY_EVENT_HARD_LIMIT);
	return INLAY_AUTH_FAILED;
}

static void count_opened(struct example_sa *sa, int phase, size_t len, __u64 pn)
{
	sa->stats.packets++;
	sa->stats.bytes += len;
	if (pn >= sa->next_pn)
		sa->next_pn = pn + 1;
	if (pn > sa->stats.largest_pn)
		sa->stats.largest_pn = pn;
	if (pn < sa->phases[phase].lowest)
		sa->phases[phase].lowest = pn;
}

/* Decrypts in place where the plain header |header| stands before it; the packet's own is as on the
 * wire still. False: not authentic. */
static bool decrypt(struct example *e, const struct example_sa *sa, int phase,
		    const struct inlay_open_item *item, const __u8 *header, size_t header_len,
		    __u64 pn)
{
	const struct inlay_keys *keys = &sa->phases[phase].keys;
	bool stale = e->fault == EXAMPLE_stale_key && phase == OLD;
	size_t len = item->len - header_len - INLAY_TAG;
	__u8 *text = item->packet + header_len, nonce[INLAY_IV];
	bool good = pn <= INLAY_PN_MAX && (sa->phases[phase].has || stale);

	make_nonce(e, keys, pn, nonce);
	good = good && !example_open(sa->cipher, keys, nonce, header, header_len, text, len,
				     e->fault != EXAMPLE_tag_unchecked);
	/* Nobody sees what is not authentic; the tag stays, which may be a stateless reset's. */
	if (!good && e->fault != EXAMPLE_cleartext_on_failure)
		memset(text, 0, len);
	return good;
}

enum inlay_verdict example_open_item(struct example *e, const struct inlay_open_item *item)
{
	__u8 mask[INLAY_SAMPLE], header[1 + INLAY_OWN_CID + 4];
	const size_t at = 1 + INLAY_OWN_CID;
	struct example_sa *sa = NULL;
	enum inlay_verdict v = find_rx_sa(e, item, &sa);
	__u64 pn = 0;
	int bytes, phase;

	if (v != INLAY_OK)
		return v;
	if (example_mask(sa->cipher, sa->hp, item->packet + at + 4, mask))
		return fail(sa);
	memcpy(header, item->packet, sizeof(header));
	header[0] ^= mask[0] & 0x1f;
	bytes = (header[0] & 3) + 1;
	for (int i = 0; i < bytes; i++) {
		header[at + i] ^= mask[1 + i];
		pn = pn << 8 | header[at + i];
	}
	pn = recover_number(e, sa->next_pn, pn, bytes);
	phase = choose_phase(e, sa, header[0] & 0x04, pn);
	if (!decrypt(e, sa, phase, item, header, at + bytes, pn))
		return fail(sa);
	if (e->fault != EXAMPLE_header_protected)
		memcpy(item->packet, header, at + bytes);
	count_opened(sa, phase, item->len, pn);
	write_descriptor(sa, item, phase, at + bytes, pn);
	return header[0] & 0x18 ? INLAY_RESERVED_BITS : INLAY_OK;
}
