/* Time for measuring: it never enters a result. */
#ifndef BRAMBLE_BASE_CLOCK_H
#define BRAMBLE_BASE_CLOCK_H

/* Seconds on a clock that only moves forward; the zero is arbitrary. Thread-safe. */
double br_clock_seconds(void);
/* Processor seconds this process has used, all threads. */
double br_clock_cpu_seconds(void);
/* Seconds that the calling thread was ready to run while others had the processors; 0 where the kernel does not count them. */
double br_clock_delayed_seconds(void);

#endif
