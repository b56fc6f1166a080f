/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of netdev.h share. */
#ifndef INLAY_OFFLOAD_NIC_NETDEV_IMPL_H
#define INLAY_OFFLOAD_NIC_NETDEV_IMPL_H

#include "netdev.h"

enum device_step {
	STEP_OPEN,
	STEP_OBJECT,
	STEP_MAP,
	STEP_PROGRAM,
	STEP_XDP,
	STEP_TC,
	STEP_QUERY,
};

/*
 * Fills |ret_error|, whose |kernel| and |log| are set already, with |what| (a printf format) and
 * the advice for |step| and |code|. Returns |code|.
 */
__attribute__((format(printf, 5, 6))) int device_fail(struct inlay_dev_error *ret_error,
						      const struct inlay_dev *dev,
						      enum device_step step, int code,
						      const char *what, ...);
/* The same for a netlink request: with the kernel's words. 0 where |code| is 0. */
int device_answer(struct inlay_dev_error *ret_error, const struct inlay_dev *dev,
		  enum device_step step, int code, const char *what);

#endif
