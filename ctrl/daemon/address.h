/* SPDX-License-Identifier: BSD-2-Clause */
/* Addresses as people write them: 127.0.0.1:4433, [::1]:4433. Numbers only: no look-up. */
#ifndef INLAY_DAEMON_ADDRESS_H
#define INLAY_DAEMON_ADDRESS_H

#include <stddef.h>

#include "inlay_types.h"

#define INLAY_ADDRESS_TEXT 64 /* room for any, NUL included */

/* 0; -EINVAL. */
int inlay_address_parse(const char *text, struct inlay_addr *ret_addr);
/* 10.0.0.0/8, fd00::/8, or one address: what may stand behind the prefix is zeroed, the port is
 * zero. 0; -EINVAL. */
int inlay_address_parse_range(const char *text, struct inlay_addr *ret_addr, __u8 *ret_prefix_len);
void inlay_address_format(const struct inlay_addr *addr, char ret_text[INLAY_ADDRESS_TEXT]);
/* 127.0.0.0/8 or ::1: nobody from another machine gets there. */
bool inlay_address_is_loopback(const struct inlay_addr *addr);

#endif
