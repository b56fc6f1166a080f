/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Every field of a NIC profile, once: the struct, the schema, the checks and the table in
 * docs/man/inlay-nic-profile.5 come from these lists.
 *
 * ANSWER(name, question, text)   a capability: yes, no, ask or unknown, with its source. |question|
 *                                is how a device is asked: "xdp:FEATURE" (netdev's xdp-features, as
 *                                the kernel's netlink specification names them),
 * "rx-metadata:NAME", "feature:NAME" (ethtool), "timestamp:NAME", or "": only by trying.
 * LIMIT(name, maximum, text)     a number, none, ask or unknown, with its source
 */
#ifndef INLAY_NIC_PROFILE_FIELDS_H
#define INLAY_NIC_PROFILE_FIELDS_H

#define INLAY_NIC_CAPABILITIES(ANSWER)                                                             \
	ANSWER(xdp_native, "xdp:basic", "runs XDP programs in its driver")                         \
	ANSWER(xdp_redirect, "xdp:redirect", "XDP programs may redirect")                          \
	ANSWER(xdp_multi_buffer, "xdp:rx-sg", "XDP takes packets of several buffers")              \
	ANSWER(xdp_transmit, "xdp:ndo-xmit", "sends what another device's XDP redirects to it")    \
	ANSWER(xdp_offload, "xdp:hw-offload", "runs XDP programs itself")                          \
	ANSWER(tc_bpf_offload, "feature:hw-tc-offload", "runs cls_bpf programs itself")            \
	ANSWER(af_xdp_zero_copy, "xdp:xsk-zerocopy", "AF_XDP sockets without a copy")              \
	ANSWER(tc_flower_offload, "feature:hw-tc-offload", "offloads tc flower rules")             \
	ANSWER(metadata_timestamp, "rx-metadata:timestamp", "XDP programs read receive times")     \
	ANSWER(metadata_hash, "rx-metadata:hash", "XDP programs read the receive hash")            \
	ANSWER(metadata_vlan, "rx-metadata:vlan-tag", "XDP programs read a removed VLAN tag")      \
	ANSWER(receive_timestamp, "timestamp:hardware-receive", "stamps every packet it receives") \
	ANSWER(udp_segmentation, "feature:tx-udp-segmentation", "cuts UDP datagrams (USO)")        \
	ANSWER(ktls, "feature:tls-hw-tx-offload", "kTLS in the device; TLS 1.2 only, never QUIC")  \
	ANSWER(ipsec_crypto, "feature:esp-hw-offload", "IPsec ciphers in the device")              \
	ANSWER(ipsec_packet, "", "whole IPsec in the device")                                      \
	ANSWER(macsec, "feature:macsec-hw-offload", "MACsec in the device")                        \
	ANSWER(psp, "", "PSP in the device")                                                       \
	ANSWER(quic_seal, "", "seals QUIC 1-RTT packets on transmit")                              \
	ANSWER(quic_open, "", "opens QUIC 1-RTT packets on receive")                               \
	ANSWER(aes_gcm_lookaside, "", "AES-GCM as a lookaside engine (DPDK cryptodev, DOCA)")      \
	ANSWER(flow_mark, "", "marks packets by flow (DPDK rte_flow MARK)")                        \
	ANSWER(inline_security, "", "inline crypto through DPDK rte_security")

#define INLAY_NIC_EBPF_ANSWERS(ANSWER)                                                             \
	ANSWER(queue_select, "", "programs may write rx_queue_index")                              \
	ANSWER(tc_context_store, "", "tc programs may write fields of the context")                \
	ANSWER(live_replace, "", "a running program is replaced without a stop")                   \
	ANSWER(store_immediate, "", "stores of an immediate value (BPF_ST) work")                  \
	ANSWER(map_store, "", "map values may be written by plain stores")                         \
	ANSWER(atomic_add, "", "atomic add without fetch, to map values")                          \
	ANSWER(atomic_other, "", "other atomic operations: fetch, exchange, and, or, xor")         \
	ANSWER(direct_values, "", "globals: .rodata, .data, .bss, .kconfig")                       \
	ANSWER(bpf_calls, "", "calls between functions of the program")                            \
	ANSWER(kfuncs, "", "calls of kernel functions")                                            \
	ANSWER(direct_action, "", "tc programs must be direct-action, with a constant verdict")

#define INLAY_NIC_EBPF_LIMITS(LIMIT)                                                               \
	LIMIT(registers, 16, "registers that may be named, r0 up")                                 \
	LIMIT(bpf_instructions, 1000000, "eBPF instructions of one program")                       \
	LIMIT(device_instructions, 1000000, "the device's own instructions of one program")        \
	LIMIT(stack_bytes, 65536, "stack of the deepest path, with what frames and calls cost")    \
	LIMIT(frame_align_bytes, 4096, "what each function's stack frame is rounded up to")        \
	LIMIT(call_bytes, 4096, "stack that a call takes besides the frame")                       \
	LIMIT(saved_register_bytes, 4096, "stack that a function takes if it writes r6 to r9")     \
	LIMIT(packet_offset_bytes, 65536, "how far into a packet a program may look")              \
	LIMIT(maps, 65536, "maps in use on the device")                                            \
	LIMIT(map_entries, 1 << 30, "entries of all maps on the device together")                  \
	LIMIT(map_entries_each, 1 << 30, "entries of one map")                                     \
	LIMIT(map_key_bytes, 65536, "a map's key")                                                 \
	LIMIT(map_value_bytes, 65536, "a map's value")                                             \
	LIMIT(map_entry_bytes, 65536, "key and value, each rounded up to 8")                       \
	LIMIT(tc_return_open, 1 << 30, "tc verdicts from this one up are taken, as TC_ACT_UNSPEC") \
	LIMIT(map_flags, 0x7fffffff, "map_flags that may be set, as one mask")

#endif
