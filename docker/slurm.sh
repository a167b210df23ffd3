#!/bin/bash
# A build on machines that Slurm gives, with Ray on them for as long as it lasts:
#
#     sbatch --nodes 4 docker/slurm.sh /shared/OUT rmod --library /shared/library.csv --pairs train=1000000 --shard-size 1000
#
# Given again after its time was up, it goes on. Without Ray, an array of jobs does too: see docs/guides/clusters.md.
#SBATCH --job-name=rmod
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=12:00:00
# Told two minutes before the time is up, the build lets go of its shards.
#SBATCH --signal=B:TERM@120
set -euo pipefail

out=$1
shift
# Beside OUT; where that lies on a store, in the home folder, unless RMOD_CACHE says otherwise.
case $out in
    *://*) ;;
    *) export RMOD_CACHE=${RMOD_CACHE:-$(dirname "$out")/cache} ;;
esac
# Others are on these machines too: without a token, whoever reaches the port may run what they like. It lies in the home
# folder, which the machines share.
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token}
if [ "$RAY_AUTH_MODE" = token ]; then ray get-auth-token --generate > /dev/null; fi
port=$((20000 + SLURM_JOB_ID % 20000))
# Both are read to their end: who is cut off by a pipe ends this script.
head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | awk 'NR == 1')
address=$(getent hosts "$head" | awk 'NR == 1 { print $1 }'):$port

# --block: Ray lives as long as its step, and only that ends it. `ray stop` would end other users' Ray too.
srun --nodes=1 --ntasks=1 --nodelist="$head" --overlap \
    ray start --head --port="$port" --num-cpus="$SLURM_CPUS_ON_NODE" --block &
# The first start of Ray on a machine takes a while.
for try in $(seq "${RAY_START_TRIES:-60}"); do
    if ray health-check --address "$address" > /dev/null 2>&1; then break; fi
    if [ "$try" = "${RAY_START_TRIES:-60}" ]; then
        echo "Ray is not up at $address" >&2
        kill $(jobs -p) 2> /dev/null || true
        exit 1
    fi
    sleep 2
done
if [ "$SLURM_JOB_NUM_NODES" -gt 1 ]; then
    srun --nodes=$((SLURM_JOB_NUM_NODES - 1)) --ntasks=$((SLURM_JOB_NUM_NODES - 1)) --exclude="$head" --overlap \
        ray start --address="$address" --num-cpus="$SLURM_CPUS_ON_NODE" --block &
fi

rmod build "$@" --out "$out" --address "$address" &
build=$!
trap 'kill -TERM "$build"' TERM
code=0
wait "$build" || code=$?
# Told to end, the build takes a moment.
wait "$build" 2> /dev/null || true
kill $(jobs -p) 2> /dev/null || true
exit "$code"
