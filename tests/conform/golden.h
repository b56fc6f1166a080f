/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * 1-RTT packets of each cipher, made by another implementation (a Python script over the
 * `cryptography` package, itself checked against RFC 9001 appendix A.5): hexadecimal.
 *
 * The secret is 00 01 02 ... up to the cipher suite's hash length; connection ID c0 to c7; packet
 * numbers 0x123456789 and, in the next key phase, one more, both on 4 bytes; byte i of the 40 bytes
 * of payload is 7 * i.
 */
#ifndef INLAY_TESTS_GOLDEN_H
#define INLAY_TESTS_GOLDEN_H

#include "cipher.h"

#define GOLDEN_PN	   0x123456789ULL
#define GOLDEN_PAYLOAD_LEN 40
#define GOLDEN_LEN	   (13 + GOLDEN_PAYLOAD_LEN + INLAY_TAG)

static const char golden_cid[] = "c0c1c2c3c4c5c6c7";

struct golden {
	enum inlay_cipher cipher;
	const char *first;
	const char *second; /* of the next key phase */
};

static const struct golden goldens[] = {
	{
		.cipher = INLAY_AES_128_GCM,
		.first = "52c0c1c2c3c4c5c6c782ab26acd3bf2d46a0475485f0e16d79cea54103ada760bd80"
			 "ef1ebe5cc50467c7222e67d065d793d8f11aceffec0eada1a9d119283b64ea876070ad",
		.second = "44c0c1c2c3c4c5c6c7f20797096bf8d3ef457a2d963abfd2057f7a3a4ec4a71f9ed8"
			  "7e75b6bcfe38304d2001a10ffa0757b30627c735afd87cea95bb41f00184ebce52aea4",
	},
	{
		.cipher = INLAY_AES_256_GCM,
		.first = "55c0c1c2c3c4c5c6c7c830ed126fe921e92b0ca3886049eed02e70448792b3c35a1d"
			 "8ce2f8cac06750658328f4f7252694d114f09176d62505f8edd1de6f464206beda8c7a",
		.second = "4cc0c1c2c3c4c5c6c74e05c9cfb3eabd9040d942296db70c162afe88d0e50692d1bc"
			  "c1c049d2a2d37f0145caed89ca0a12ad727657905513fb5f2a45edbe95b6bef4bd6ec7",
	},
	{
		.cipher = INLAY_CHACHA20_POLY1305,
		.first = "57c0c1c2c3c4c5c6c7f05e0d6387121f61ec1330963f35cab40251f28fb8cfaaf3b0"
			 "14982cde057674291696a8806f862ebd709e01f0f91104d08f8508b060ec6965204061",
		.second = "47c0c1c2c3c4c5c6c73b53b6b1f4f7a43f1e19a4d8932136e67b90039da8eb81aa44"
			  "0a64b271cfabec635ff38c6f6ecc31dd18498a17e45f89ee94f2bdb66896267a74efc8",
	},
};

#endif
