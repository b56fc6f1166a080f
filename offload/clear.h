/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From a clear packet (design section 4) to an item of the provider's.
 */
#ifndef INLAY_OFFLOAD_CLEAR_H
#define INLAY_OFFLOAD_CLEAR_H

#include "provider.h"

/*
 * Makes the item that seals |packet| in place, to be sent to |remote|. |len|: with its descriptor.
 * INLAY_OK; otherwise the packet is to be dropped for that reason, and |ret_item| is not set:
 * INLAY_RUNT; INLAY_NOT_SHORT; INLAY_BAD_ITEM: header and descriptor disagree, or no frames.
 */
enum inlay_verdict inlay_clear_seal_item(__u8 *packet, size_t len, const struct inlay_addr *remote,
					 struct inlay_seal_item *ret_item);

#endif
