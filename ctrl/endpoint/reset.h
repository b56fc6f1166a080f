/* SPDX-License-Identifier: BSD-2-Clause */
/* Stateless resets (RFC 9000 section 10.3): tokens of our CIDs, and the packets that carry them. */
#ifndef INLAY_ENDPOINT_RESET_H
#define INLAY_ENDPOINT_RESET_H

#include "demux.h"

#define INLAY_RESET_KEY 32

/*
 * A reset is a byte shorter than what it answers, so that two endpoints that reset each other's
 * resets come to an end, and 21 bytes at least (section 10.3). Small packets are answered too: a
 * subscriber sends hardly anything but acknowledgements, and should not have to wait for its idle
 * timeout to learn that the relay was started anew.
 */
#define INLAY_RESET_SHORTEST 21 /* bytes */
#define INLAY_RESET_LONGEST  64

/*
 * A reset key that outlives this process: derived from the bytes of |file|, the private key of the
 * certificate, which stays secret and stays the same (section 10.3.2 asks for a static key).
 * 0; -ENOMEM; what open() and read() say.
 */
int inlay_reset_key_of_file(const char *file, __u8 ret_key[INLAY_RESET_KEY]);
/* HMAC-SHA-256 of the CID under |key|, cut to 16 bytes (section 10.3.2). */
void inlay_reset_token(const __u8 key[INLAY_RESET_KEY], const struct inlay_cid *cid,
		       __u8 ret[INLAY_RESET_TOKEN]);
/* Length of the reset that answers a packet of |trigger| bytes; 0: none may. */
size_t inlay_reset_len(size_t trigger);
/* |dst| holds |len| random bytes already: makes a reset of them. */
void inlay_reset_write(__u8 *dst, size_t len, const __u8 token[INLAY_RESET_TOKEN]);

#endif
