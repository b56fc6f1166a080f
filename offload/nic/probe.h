/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a machine's network devices report of themselves now, and what its kernel loads. Read only:
 * nothing is changed, attached or left loaded. What cannot be asked (no permission, an old kernel,
 * a device that goes away meanwhile) is noted, and the rest goes on.
 */
#ifndef INLAY_OFFLOAD_NIC_PROBE_H
#define INLAY_OFFLOAD_NIC_PROBE_H

#include "netdev_family.h"
#include "inlay_types.h"
#include "profile.h"

#define INLAY_NIC_WORD		  64
#define INLAY_NIC_DEVICE_FEATURES 96
#define INLAY_NIC_DEVICE_VERSIONS 24
#define INLAY_NIC_NOTES_MAX	  8
#define INLAY_NIC_DEVICES_MAX	  256
#define INLAY_NIC_RDMA_MAX	  32

/* One of the kernel's names for what a device may take over (ethtool -k). */
struct inlay_nic_feature {
	char name[40];
	bool active;
	bool changeable;
};

struct inlay_nic_version {
	char name[INLAY_NIC_WORD];
	char value[INLAY_NIC_WORD];
};

/* Why something is not known: "xdp-features: the kernel has no netdev family". */
struct inlay_nic_notes {
	char text[INLAY_NIC_NOTES_MAX][160];
	size_t n;
};

struct inlay_nic_device {
	char name[16];
	__u32 ifindex;
	char driver[32];       /* "": it does not say */
	char firmware[64];     /* the same */
	char bus[32];	       /* "pci"; "": none, it is virtual */
	char address[64];      /* on that bus */
	__u16 vendor, product; /* PCI; 0: none */
	bool up;
	__u32 mtu;
	bool has_xdp;	     /* |xdp_features| was answered */
	__u64 xdp_features;  /* enum inlay_nic_xdp */
	__u64 xdp_metadata;  /* receive metadata that programs may ask for: bit 0 timestamp, 1 hash,
				2 VLAN */
	bool has_timestamp;  /* |timestamps_all| was answered */
	bool timestamps_all; /* it stamps every packet that it receives */
	bool has_features;
	struct inlay_nic_feature
		features[INLAY_NIC_DEVICE_FEATURES]; /* active or changeable ones */
	size_t n_features;
	struct inlay_nic_version versions[INLAY_NIC_DEVICE_VERSIONS]; /* devlink's, "board.id" */
	size_t n_versions;
	struct inlay_nic_notes notes;
};

struct inlay_nic_rdma {
	char name[INLAY_NIC_WORD];
	char netdev[16]; /* of its first port; "": not known */
	char firmware[64];
	char state[16];	    /* of its first port */
	char transport[16]; /* "RoCE", "InfiniBand" */
	__u32 vendor, part;
	__u32 max_qp;
	bool mlx5;	  /* mlx5dv speaks to it */
	bool mlx5_crypto; /* and has crypto engines for memory (AES-XTS) */
	struct inlay_nic_notes notes;
};

enum inlay_nic_loads {
	INLAY_NIC_LOADS_NO = 0,
	INLAY_NIC_LOADS_YES = 1,
	INLAY_NIC_LOADS_UNKNOWN = 2, /* not permitted to try, or the try failed otherwise */
};

/* What the kernel takes, found by trying (libbpf). */
struct inlay_nic_kernel {
	char release[INLAY_NIC_WORD];
	struct {
		const char *name; /* "program XDP", "map RINGBUF", "helper bpf_loop (TC)" */
		const char *why;  /* what inlay wants it for */
		enum inlay_nic_loads loads;
	} tries[24];
	size_t n_tries;
	struct inlay_nic_notes notes;
};

struct inlay_nic_probe {
	struct inlay_nic_device *devices; /* by ifindex */
	size_t n_devices;
	struct inlay_nic_rdma *rdma;
	size_t n_rdma;
	struct inlay_nic_kernel kernel;
	struct inlay_nic_notes notes;
};

/* |name|: that device alone; NULL: all of the caller's network namespace. 0; -ENODEV: there is no
 * such device; -ENOMEM; -EIO: not even the list of devices is to be had. */
int inlay_nic_probe_new(const char *name, struct inlay_nic_probe **ret_probe);
/* Takes NULL. */
void inlay_nic_probe_free(struct inlay_nic_probe *probe);

/* NULL: the device does not report it. */
const struct inlay_nic_feature *inlay_nic_feature(const struct inlay_nic_device *device,
						  const char *name);
/* The device's own answer to a profile's question (inlay_nic_cap_question()): yes, no, or unknown
 * where it cannot be asked. */
enum inlay_nic_answer inlay_nic_device_answer(const struct inlay_nic_device *device,
					      const char *question);
/* As profiles are matched; it points into |device|. */
void inlay_nic_device_identity(const struct inlay_nic_device *device,
			       struct inlay_nic_identity *ret_identity);

/* What does not print, in ASCII, becomes '?': devices are named by anybody, and what they report of
 * themselves is shown on terminals and in JSON. */
void inlay_nic_make_printable(char *text);

/* --- What would be chosen ----------------------------------------------------------------------
 */

/* One of a profile's choices, judged for one device. */
struct inlay_nic_verdict {
	const struct inlay_nic_choice *choice;
	bool fits;
	char why[200]; /* what is missing, or why it is taken */
};

/*
 * Judges |profile|'s choices, best first, for a device (NULL: none, the profile alone). Returns the
 * index of the one that placement auto would take, the first that fits; -ENOENT: none.
 */
int inlay_nic_choose(const struct inlay_nic_profile *profile, const struct inlay_nic_device *device,
		     struct inlay_nic_verdict ret_verdicts[INLAY_NIC_CHOICES]);

#endif
