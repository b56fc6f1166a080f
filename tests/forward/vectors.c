/* SPDX-License-Identifier: BSD-2-Clause */
/* THE table: see vector.h. */
#include "vectors.h"

#include "inlay_moq_framer.h"

const struct vector vectors[] = {
#include "vectors_stream.def"
#include "vectors_malformed.def"
#include "vectors_claim.def"
#include "vectors_credit.def"
#include "vectors_datagram.def"
};
const __u32 vectors_count = INLAY_ARRAY_SIZE(vectors);
