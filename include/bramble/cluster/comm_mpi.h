/* The communicator on MPI. The only public header that includes <mpi.h>. */
#ifndef BRAMBLE_CLUSTER_COMM_MPI_H
#define BRAMBLE_CLUSTER_COMM_MPI_H

#include <bramble/cluster/comm.h>
#include <mpi.h>

/* Duplicates `world` (MPI is initialised by the caller, MPI_THREAD_FUNNELED or better). Collective. */
int br_comm_open_mpi(MPI_Comm world, struct br_comm **out);

#endif
