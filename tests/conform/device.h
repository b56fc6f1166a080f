/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a device implements to be held against the crypto suite: this header and offload/provider.h,
 * nothing else of inlay. docs/nics.md tells how; tests/conform/example/ is one, in full.
 *
 * A device is a shared object that exports
 *
 *	const struct inlay_conform_device inlay_conform_device = {...};
 *
 * and `inlay-conform --device ./DEVICE.so` runs the suite against it. Its |make| returns a
 *provider: an SA is added, packets are sealed and opened in bursts, and what the device refuses it
 *names by a verdict. The suite never trusts the device: packets to open are made, and packets that
 *it sealed are compared with ones made, by an implementation that shares no code with any provider.
 *
 * Each case runs in a process of its own, on a provider of its own: a device that crashes or hangs
 * fails that case, and the suite goes on. So make() must work again after a process was killed.
 */
#ifndef INLAY_CONFORM_DEVICE_H
#define INLAY_CONFORM_DEVICE_H

#include "provider.h"

/* Of this struct and of offload/provider.h together: another number, and the device is refused. */
#define INLAY_CONFORM_ABI    1
#define INLAY_CONFORM_SYMBOL "inlay_conform_device"

/* What a device may be unable to do; cases name what they need. Ciphers come from ops->caps(). */
enum inlay_case_feature {
	INLAY_CASE_THREADS = 1 << 0, /* operations from several threads of this process */
};

struct inlay_conform_device {
	__u32 abi;	  /* INLAY_CONFORM_ABI */
	const char *name; /* what the report calls it: model, firmware, driver */
	__u32 features;	  /* enum inlay_case_feature */
	/*
	 * A fresh, empty provider with room for |max_sa| SAs and |max_cids| receive CIDs; no more
	 * than one is alive in a process. NULL: it cannot be made, and the case fails. ops->free()
	 * releases it.
	 */
	struct inlay_provider *(*make)(const struct inlay_conform_device *device, __u32 max_sa,
				       __u32 max_cids);
	const void *context; /* the device's own */
};

#endif
