/* SPDX-License-Identifier: BSD-2-Clause */
#include "reset.h"

#include <string.h>

#include <gnutls/crypto.h>

void inlay_reset_token(const __u8 key[INLAY_RESET_KEY], const struct inlay_cid *cid,
		       __u8 ret[INLAY_RESET_TOKEN])
{
	__u8 mac[32] = {0};

	/* Fails for want of memory alone. A token of zeros would be no secret: better one that
	 * nobody can ever send. */
	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, INLAY_RESET_KEY, cid->data, cid->len, mac) < 0)
		gnutls_rnd(GNUTLS_RND_NONCE, mac, sizeof(mac));
	memcpy(ret, mac, INLAY_RESET_TOKEN);
}

size_t inlay_reset_len(size_t trigger)
{
	if (trigger <= INLAY_RESET_SHORTEST)
		return 0;
	return trigger - 1 < INLAY_RESET_LONGEST ? trigger - 1 : INLAY_RESET_LONGEST;
}

void inlay_reset_write(__u8 *dst, size_t len, const __u8 token[INLAY_RESET_TOKEN])
{
	dst[0] = (dst[0] & 0x3f) | 0x40; /* a short header, fixed bit 1 */
	memcpy(dst + len - INLAY_RESET_TOKEN, token, INLAY_RESET_TOKEN);
}
