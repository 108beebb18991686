#!/usr/bin/env bash
# Brings what `make check-chart` needs into build/chart, each at a fixed version: Helm and a Kubernetes
# API server with etcd (Go 1.26), the definitions of the operators' resources (Go modules; Strimzi's
# are made with its own generator, which needs Java and Maven), kubernetes-validate and checkov (Python).
# The API server takes long to build: a quarter of an hour on two cores. Without it, its tests are skipped:
#
#   deploy/helm/check/tools.sh --without-api-server
set -euo pipefail

helm=v3.22.0
kubernetes=v1.36.3
keda=v2.21.0
cloudnative_pg=v1.28.0
prometheus_operator=v0.85.0
strimzi=0.51.0
strimzi_generator=0.45.0
kubernetes_validate=1.37.0
checkov=3.3.30

to="$(cd "$(dirname "$0")/../../.." && pwd)/build/chart"
mkdir -p "$to/bin" "$to/crds" "$to/apiserver" "$to/strimzi"

module() { # the directory of a Go module's files
  (cd "$to" && go mod download -json "$1" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
}

[ -x "$to/bin/helm" ] || GOBIN="$to/bin" go install "helm.sh/helm/v3/cmd/helm@$helm"

# The definitions, as the operators' projects keep them.
copy() {
  local from
  from="$(module "$1")"
  shift
  for file in "$@"; do install -m 0644 "$from/$file" "$to/crds/"; done
}
copy "github.com/kedacore/keda/v2@$keda" \
  config/crd/bases/keda.sh_{scaledobjects,triggerauthentications}.yaml
copy "github.com/cloudnative-pg/cloudnative-pg@$cloudnative_pg" \
  config/crd/bases/postgresql.cnpg.io_clusters.yaml
copy "github.com/prometheus-operator/prometheus-operator@$prometheus_operator" \
  example/prometheus-operator-crd/monitoring.coreos.com_{servicemonitors,prometheusrules}.yaml

if [ ! -e "$to/crds/kafka.strimzi.io_KafkaUser.yaml" ]; then
  cat >"$to/strimzi/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>local</groupId><artifactId>crds</artifactId><version>1</version>
  <dependencies>
    <dependency>
      <groupId>io.strimzi</groupId><artifactId>api</artifactId><version>$strimzi</version>
    </dependency>
    <dependency>
      <groupId>io.strimzi</groupId><artifactId>crd-generator</artifactId>
      <version>$strimzi_generator</version>
    </dependency>
  </dependencies>
</project>
POM
  mvn --quiet --batch-mode --file "$to/strimzi/pom.xml" dependency:build-classpath \
    -Dmdep.outputFile="$to/strimzi/classpath"
  for class in kafka.Kafka nodepool.KafkaNodePool topic.KafkaTopic user.KafkaUser; do
    java -cp "$(cat "$to/strimzi/classpath")" io.strimzi.crdgenerator.CrdGenerator \
      "io.strimzi.api.kafka.model.$class=$to/crds/kafka.strimzi.io_${class#*.}.yaml"
  done
fi

if [ ! -x "$to/venv/bin/checkov" ] || [ ! -x "$to/venv/bin/kubernetes-validate" ]; then
  python3 -m venv "$to/venv"
  "$to/venv/bin/pip" install --quiet --disable-pip-version-check \
    "kubernetes-validate==$kubernetes_validate" "checkov==$checkov"
fi

[ "${1-}" = --without-api-server ] && exit
if [ ! -x "$to/bin/kube-apiserver" ]; then
  # A module that requires Kubernetes: its own one refers to directories that the module lacks.
  source="$(module "k8s.io/kubernetes@$kubernetes")"
  etcd="$(sed -n 's|^\tgo.etcd.io/etcd/client/v3 \(v[0-9.]*\)$|\1|p' "$source/go.mod")"
  {
    echo "module apiserver"
    sed -n '/^go /p; /^godebug /p' "$source/go.mod"
    echo "require k8s.io/kubernetes $kubernetes"
    echo "require go.etcd.io/etcd/server/v3 $etcd"
    sed -n "s|^\t\(k8s.io/[a-z-]*\) => ./staging/.*|replace \1 => \1 v0.${kubernetes#v1.}|p" \
      "$source/go.mod"
  } >"$to/apiserver/go.mod"
  cd "$to/apiserver"
  go build -mod=mod -trimpath -o "$to/bin/etcd" go.etcd.io/etcd/server/v3
  # Helm asks the server for its version.
  version=k8s.io/component-base/version
  IFS=. read -r major minor _ <<<"${kubernetes#v}"
  go build -mod=mod -trimpath -o "$to/bin/kube-apiserver" \
    -ldflags "-X $version.gitVersion=$kubernetes -X $version.gitMajor=$major -X $version.gitMinor=$minor" \
    k8s.io/kubernetes/cmd/kube-apiserver
fi
