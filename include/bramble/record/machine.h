/* What a machine is and how it feels: processor, kernel, memory; frequency, temperature, throttling; and what its processors, memory, disks
 * and network did during the last second. All from /proc and /sys; what cannot be read is NaN or empty, never an error. */
#ifndef BRAMBLE_RECORD_MACHINE_H
#define BRAMBLE_RECORD_MACHINE_H

#include <stddef.h>
#include <stdint.h>

struct br_machine {
  char host[64], kernel[128], libc[64], cpu[128], isa[16]; /* isa: the kernels chosen */
  char features[96];                                       /* instruction sets among those that matter here, as in "avx2 fma" or "asimd asimddp" */
  char cpu_model[64];                                      /* the board, as in "Raspberry Pi 4 Model B Rev 1.4", where it is known */
  int cores, bits;                                         /* cores this process may use */
  double memory_bytes, free_bytes, swap_bytes;             /* free: available to a new program */
  char swap_device[64];                                    /* "" without swap */
};
void br_machine_read(struct br_machine *machine);

/* Bits of `throttled` as the Raspberry Pi firmware has them; now, and since start shifted by 16. */
enum { BR_THROTTLED_VOLTAGE = 1, BR_THROTTLED_CAPPED = 2, BR_THROTTLED_NOW = 4, BR_THROTTLED_HOT = 8 };

struct br_machine_state {
  double mhz, mhz_limit;     /* of the slowest core now; what the hardware could */
  double celsius;            /* the hottest sensor */
  int64_t throttled;         /* firmware flags; -1: no such firmware */
  int64_t throttle_count;    /* thermal throttle events that the kernel counted; -1: not counted */
};
void br_machine_state_read(struct br_machine_state *state);
/* Frequency (by cpufreq only) and temperature alone, for reading every second: /proc/cpuinfo is slow where cores are many. */
void br_machine_state_read_quick(struct br_machine_state *state);
/* In words, into text (at least 160 bytes): "" if all is well. */
const char *br_machine_throttle_text(const struct br_machine_state *state, char *text);

/* Counters since start of the machine; differences of two give a sample. */
struct br_counters {
  double time, busy, wait, all; /* seconds; processor time summed over cores: busy, waiting for disks, all */
  double disk_read, disk_written, net_received, net_sent; /* bytes */
};
void br_counters_read(struct br_counters *counters);

/* One second of a machine. */
struct br_sample_point {
  double seconds;               /* since the start of the record */
  double busy, wait;            /* shares of all cores, 0 to 1 */
  double used_bytes;            /* memory in use */
  double disk_read, disk_written, net_received, net_sent; /* bytes a second */
};
/* What happened between two readings. */
struct br_sample_point br_counters_between(const struct br_counters *from, const struct br_counters *to);

#endif
