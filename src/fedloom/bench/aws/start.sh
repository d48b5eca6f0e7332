#!/bin/bash
# The first thing: whatever happens to who started this machine, it ends by itself.
shutdown -P +@MINUTES@ "Fedloom: the time limit is reached"
set -Eeuo pipefail
umask 022

bucket=@BUCKET@
region=@REGION@
bundle_prefix=@BUNDLE_PREFIX@
faults_prefix=@FAULTS_PREFIX@
sums_sha256=@SUMS_SHA256@
wheel=@WHEEL@
home="${FEDLOOM_HOME:-/opt/fedloom}"
python=python@PYTHON@

mkdir -p "$home"
exec >>"$home/start.log" 2>&1
stage="ask for this machine's name"
instance=unknown

give_up() {
  code=$?
  trap - ERR
  echo "could not $stage (exit code $code)"
  { echo "could not $stage (exit code $code)"; tail -n 20 "$home/start.log"; } >"$home/fault.txt"
  aws s3 cp --region "$region" --only-show-errors "$home/fault.txt" \
    "s3://$bucket/$faults_prefix$instance.txt" || true
  shutdown -P now "Fedloom: could not $stage"
  exit 1
}
trap give_up ERR

ask() {
  curl --silent --fail --max-time 10 --retry 5 --header "X-aws-ec2-metadata-token: $token" \
    "http://169.254.169.254/latest/meta-data/$1"
}
token=$(curl --silent --fail --max-time 10 --retry 5 --request PUT \
  --header "X-aws-ec2-metadata-token-ttl-seconds: 300" http://169.254.169.254/latest/api/token)
instance=$(ask instance-id)
address=$(ask local-ipv4)
index=$(ask ami-launch-index)

stage="fetch the bundle from the bucket"
mkdir -p "$home/bundle"
fetched=no
for _ in 1 2 3 4 5 6 7 8 9; do # a role that was just made is not known everywhere at once
  if aws s3 cp --region "$region" --recursive --only-show-errors \
    "s3://$bucket/$bundle_prefix" "$home/bundle/"; then
    fetched=yes
    break
  fi
  sleep 10
done
[ "$fetched" = yes ]

stage="trust the bundle: a checksum is wrong"
cd "$home/bundle"
echo "$sums_sha256  SHA256SUMS" | sha256sum --check --strict --quiet
sha256sum --check --strict --quiet SHA256SUMS

stage="install Python"
command -v "$python" >/dev/null || dnf install --assumeyes --quiet "$python"

stage="install Fedloom"
"$python" -m venv "$home/venv"
"$home/venv/bin/python" -m pip install --quiet --no-index --find-links "$home/bundle/wheels" \
  --require-hashes --requirement "$home/bundle/requirements.txt"
"$home/venv/bin/python" -m pip install --quiet --no-index --no-deps "$home/bundle/$wheel"

stage="read its order"
cat >"$home/order.json" <<'ORDER'
@ORDER@
ORDER
id fedloom >/dev/null 2>&1 || useradd --system --home-dir "$home/work" --create-home fedloom

stage="do its work"
runuser --user fedloom -- env HOME="$home/work" AWS_DEFAULT_REGION="$region" PYTHONUNBUFFERED=1 \
  "$home/venv/bin/python" -m fedloom.bench.aws.machine --order "$home/order.json" \
  --bundle "$home/bundle" --work "$home/work" \
  --instance-id "$instance" --address "$address" --index "$index"

shutdown -P now "Fedloom: done"
