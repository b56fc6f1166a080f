/* SPDX-License-Identifier: BSD-2-Clause */
#include "clear.h"

#include "inlay_quic.h"

enum inlay_verdict inlay_clear_seal_item(__u8 *packet, size_t len, const struct inlay_addr *remote,
					 struct inlay_seal_item *ret_item)
{
	struct inlay_cursor tail;
	struct inlay_quic_clear clear;
	__u8 hdr_len;

	/* At least the first byte, the packet number, and one byte of frames. */
	if (len < 1 + INLAY_TX_PN + 1 + INLAY_TAG)
		return INLAY_RUNT;
	if (inlay_quic_is_long(packet[0]) || !(packet[0] & 0x40))
		return INLAY_NOT_SHORT;
	tail = inlay_cursor_of(packet + len - INLAY_TAG, INLAY_TAG);
	if (!inlay_cursor_skip(&tail, offsetof(struct inlay_desc, hdr_len)) ||
	    !inlay_cursor_u8(&tail, &hdr_len))
		return INLAY_RUNT;
	if (hdr_len < 1 + INLAY_TX_PN || hdr_len > 1 + INLAY_CID_MAX + INLAY_TX_PN)
		return INLAY_BAD_ITEM;
	if (!inlay_quic_clear_parse(packet, len, hdr_len - 1 - INLAY_TX_PN, &clear) ||
	    clear.pn_len != INLAY_TX_PN || inlay_cursor_left(&clear.frames) == 0)
		return INLAY_BAD_ITEM;
	*ret_item = (struct inlay_seal_item){
		.header = packet,
		.header_len = hdr_len,
		.payload = packet + hdr_len,
		.payload_len = inlay_cursor_left(&clear.frames),
		.dst = packet,
		.dst_room = len,
		.sa = {.number = clear.sa, .generation = clear.generation},
		.pn = clear.pn,
		.remote = *remote,
	};
	return INLAY_OK;
}
