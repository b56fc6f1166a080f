/* SPDX-License-Identifier: BSD-2-Clause */
#include "reset.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <gnutls/crypto.h>

int inlay_reset_key_of_file(const char *file, __u8 ret_key[INLAY_RESET_KEY])
{
	static const char label[] = "inlay stateless reset key";
	int fd = open(file, O_RDONLY | O_CLOEXEC), ret = 0;
	gnutls_hmac_hd_t mac;
	__u8 bytes[4096];
	ssize_t n = 0;

	if (fd < 0)
		return -errno;
	if (gnutls_hmac_init(&mac, GNUTLS_MAC_SHA256, label, sizeof(label)) < 0) {
		close(fd);
		return -ENOMEM;
	}
	while (!ret && (n = read(fd, bytes, sizeof(bytes))) > 0)
		ret = gnutls_hmac(mac, bytes, (size_t)n) < 0 ? -ENOMEM : 0;
	if (n < 0)
		ret = -errno;
	explicit_bzero(bytes, sizeof(bytes));
	close(fd);
	gnutls_hmac_deinit(mac, bytes);
	if (!ret)
		memcpy(ret_key, bytes, INLAY_RESET_KEY);
	explicit_bzero(bytes, INLAY_RESET_KEY);
	return ret;
}

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
