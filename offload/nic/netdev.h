/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * eBPF programs on network devices that run them themselves: an object is loaded for one device
 * (the device translates it), attached there (XDP, or a tc filter that the host does not run),
 * asked for, replaced and detached. Programs of the host go the same ways, for what the two have to
 * do with each other.
 *
 * After a failure nothing is attached or loaded that was not before. The calls talk to the kernel
 * by libbpf and libnl; they are for one thread at a time, because libbpf's messages are caught
 * process-wide while an object is loaded.
 */
#ifndef INLAY_OFFLOAD_NIC_NETDEV_H
#define INLAY_OFFLOAD_NIC_NETDEV_H

#include <net/if.h>

#include "inlay_types.h"

struct bpf_object;
struct inlay_nl;

/* What failed. */
struct inlay_dev_error {
	int code;	  /* negative errno */
	char kernel[256]; /* the kernel's, or the driver's, own words; "": none */
	char log[1024];	  /* the verifier's last lines; "": none */
	char text[2048];  /* all of it, with the device and what to do, for a person */
};

struct inlay_dev {
	char name[IF_NAMESIZE];
	int ifindex;
	struct inlay_nl *nl; /* of the network namespace it was opened in */
};

/* 0; -errno (|ret_error|): -ENODEV. */
int inlay_dev_open(const char *name, struct inlay_dev *ret_dev, struct inlay_dev_error *ret_error);
/* Takes a zeroed one. Programs that are attached stay. */
void inlay_dev_close(struct inlay_dev *dev);

/* --- Programs --------------------------------------------------------------------------------- */

/* A map that exists already, to be used instead of the object's own of that name. */
struct inlay_dev_map {
	const char *name;
	int fd;
};

struct inlay_dev_load {
	const void *object; /* an ELF object */
	size_t len;
	const char *label;   /* what to call it in errors: its file's name */
	const char *program; /* the function; NULL: the object's only one */
	bool as_is;	     /* of the type that its section says; else: */
	bool tc;	     /* a classifier; else XDP */
	bool for_host;	     /* run by the host's CPU, not by the device */
	const struct inlay_dev_map *maps;
	size_t n_maps;
	char *log; /* NULL, or where the verifier's log goes, also of a success */
	size_t log_room;
};

struct inlay_dev_program {
	int fd;
	__u32 id;
	bool tc;
	struct bpf_object *object; /* with its maps */
};

/* 0; -errno (|ret_error|). Maps are the device's too, but those that the device only writes to
 * (perf event arrays). */
int inlay_dev_load(const struct inlay_dev *dev, const struct inlay_dev_load *load,
		   struct inlay_dev_program *ret_program, struct inlay_dev_error *ret_error);
/* Takes a zeroed one. What is attached stays on the device. */
void inlay_dev_unload(struct inlay_dev_program *program);
/* The map's file descriptor, which is the program's; -ENOENT. */
int inlay_dev_map_fd(const struct inlay_dev_program *program, const char *name);

/* Which device a program or map is bound to, as the kernel tells it now. */
struct inlay_dev_binding {
	__u32 ifindex; /* 0: to none, or to one that is not in this network namespace */
	__u64 netns_dev, netns_ino;
};

/* 0; -errno: -ENODEV: the device it was bound to is gone. */
int inlay_dev_program_binding(int fd, struct inlay_dev_binding *ret_binding);
int inlay_dev_map_binding(int fd, struct inlay_dev_binding *ret_binding);

/* --- XDP -------------------------------------------------------------------------------------- */

enum inlay_dev_xdp {
	INLAY_DEV_XDP_ANY = 0,	   /* as the kernel chooses; detaching: the only one there is */
	INLAY_DEV_XDP_GENERIC = 1, /* the host, behind the driver */
	INLAY_DEV_XDP_DRIVER = 2,  /* the host, in the driver */
	INLAY_DEV_XDP_DEVICE = 3,  /* the device */
};

#define INLAY_DEV_ANY (-1) /* whatever is attached now is replaced, or detached */

/*
 * |old_fd|: the program that must be there now, INLAY_DEV_ANY, or 0: none may be. 0; -errno
 * (|ret_error|): -EEXIST, -EBUSY.
 */
int inlay_dev_xdp_attach(const struct inlay_dev *dev, enum inlay_dev_xdp mode, int fd, int old_fd,
			 struct inlay_dev_error *ret_error);
/* |old_fd| as above, but not 0. */
int inlay_dev_xdp_detach(const struct inlay_dev *dev, enum inlay_dev_xdp mode, int old_fd,
			 struct inlay_dev_error *ret_error);

struct inlay_dev_xdp_state {
	__u8 attached; /* XDP_ATTACHED_* of linux/if_link.h */
	__u32 id;      /* of the only one; 0: none, or several */
	__u32 ids[4];  /* by enum inlay_dev_xdp; 0: none there */
};

int inlay_dev_xdp_query(const struct inlay_dev *dev, struct inlay_dev_xdp_state *ret_state,
			struct inlay_dev_error *ret_error);

/* --- tc --------------------------------------------------------------------------------------- */

enum inlay_dev_tc {
	INLAY_DEV_TC_BOTH = 0,	 /* the device if it likes, and the host */
	INLAY_DEV_TC_DEVICE = 1, /* the device alone (skip_sw) */
	INLAY_DEV_TC_HOST = 2,	 /* the host alone (skip_hw) */
};

/* Where a filter stands at the device's ingress. 0: as the kernel chooses. */
struct inlay_dev_tc_place {
	__u16 priority;
	__u32 handle;
	__u32 chain;
	__u16 protocol; /* 0: all */
};

/*
 * The qdisc that filters hang on is made where there is none, and goes again if the filter fails.
 * |replace|: the filter at |place| must be there, and gives way. 0; -errno (|ret_error|): -EEXIST,
 * -ENOENT.
 */
int inlay_dev_tc_attach(const struct inlay_dev *dev, enum inlay_dev_tc mode, int fd,
			const struct inlay_dev_tc_place *place, bool replace,
			struct inlay_dev_error *ret_error);
int inlay_dev_tc_detach(const struct inlay_dev *dev, const struct inlay_dev_tc_place *place,
			struct inlay_dev_error *ret_error);
/* The qdisc, with all filters. -ENOENT: there is none. */
int inlay_dev_tc_clear(const struct inlay_dev *dev, struct inlay_dev_error *ret_error);
/* There is one, clsact or ingress, whatever hangs on it. */
bool inlay_dev_tc_has_qdisc(const struct inlay_dev *dev);

struct inlay_dev_filter {
	struct inlay_dev_tc_place place;
	__u32 id;
	bool skips_host, skips_device;
	bool on_device; /* the driver took it */
};

/* Up to |room| eBPF filters at the ingress; |ret_n| may be more. */
int inlay_dev_tc_query(const struct inlay_dev *dev, struct inlay_dev_filter *filters, size_t room,
		       size_t *ret_n, struct inlay_dev_error *ret_error);

#endif
