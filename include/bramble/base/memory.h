/* Memory: checked sizes, aligned blocks, a count of what is live, and what the process and the machine have.
 * All big blocks of Bramble come from br_memory_alloc, so that a run can say what it holds. */
#ifndef BRAMBLE_BASE_MEMORY_H
#define BRAMBLE_BASE_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BR_ALIGNMENT 64 /* bytes: a cache line and the widest vector */

/* a * b and a + b into *out; false if the result does not fit in size_t. */
static inline bool br_size_mul(size_t a, size_t b, size_t *out) { return !__builtin_mul_overflow(a, b, out); }
static inline bool br_size_add(size_t a, size_t b, size_t *out) { return !__builtin_add_overflow(a, b, out); }

/* n rounded up to a multiple of BR_ALIGNMENT; n must be at most SIZE_MAX - 63. */
static inline size_t br_size_align(size_t n) { return (n + (BR_ALIGNMENT - 1)) & ~(size_t)(BR_ALIGNMENT - 1); }

/* *out = `count` zeroed elements of `element_bytes`, aligned to BR_ALIGNMENT; the caller owns them and frees them with
 * br_memory_free. A count of 0 gives a valid block of no use. `what` names the block in the error message.
 * Errors: BR_ERROR_MEMORY. Thread-safe. */
int br_memory_alloc(size_t count, size_t element_bytes, const char *what, void *out);

/* Frees a block of br_memory_alloc; NULL does nothing. */
void br_memory_free(void *block);

/* Bytes held now, and at most so far, by br_memory_alloc; number of calls so far (tests assert it stands still). */
size_t br_memory_held_bytes(void);
size_t br_memory_peak_bytes(void);
size_t br_memory_alloc_calls(void);

/* Resident memory of this process in bytes, now and at its peak (Linux: VmRSS, VmHWM); 0 if unknown. */
size_t br_memory_rss_bytes(void);
size_t br_memory_peak_rss_bytes(void);

/* What this process may still take: the smaller of MemAvailable and what its cgroup has left; 0 if unknown. */
size_t br_memory_available_bytes(void);
/* What its own limits of address space and of data (ulimit -v, -d) still let it take; SIZE_MAX where there are none. */
size_t br_memory_own_limit_bytes(void);

#endif
