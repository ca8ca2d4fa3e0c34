/* Joining the cluster the launcher has made: alone, under mpiexec or under srun. */
#ifndef BRAMBLE_CLUSTER_START_H
#define BRAMBLE_CLUSTER_START_H

#include <bramble/cluster/comm.h>

/* Opens the communicator of this process: on MPI when a launcher's environment (MPICH's PMI, Open MPI's, Slurm's) says so, alone
 * otherwise, so that a single run pays nothing for MPI. Fails with BR_ERROR_COMM where the launcher speaks of more ranks than MPI sees:
 * an mpiexec of another MPI, each rank believing it is alone. Collective. */
int br_cluster_start(int *argc, char ***argv, struct br_comm **out);
/* The option of Slurm's srun by which ranks of the MPI that bramble is linked with find each other; "" without MPI. A constant. */
const char *br_cluster_srun_option(void);
/* Closes the communicator and MPI; the caller has nothing left to do but to end with exit_code. Where MPI does not come back, the process ends with it here. Collective. */
void br_cluster_stop(struct br_comm *comm, int exit_code);
/* Ends all ranks at once, for failures that only one rank knows of. Does not return. */
_Noreturn void br_cluster_abort(int exit_code);

#endif
