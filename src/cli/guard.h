/* The guard of a rank. Private to the room. */
#ifndef CLI_GUARD_H
#define CLI_GUARD_H

/* Under a launcher of several ranks, forks: the child goes on and does the work; what the launcher started stays and waits, and when the child is killed (by hand, for
 * its memory) it says which rank that was and ends with exit code 4, by which the launcher ends the others. Called before MPI is started; returns in the child, or
 * where there is nothing to guard. `rank` is the launcher's number; `hint` ends the message. */
void guard_rank(int rank, const char *hint);

#endif
