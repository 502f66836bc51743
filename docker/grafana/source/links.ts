/** Ways from a panel to another dashboard. They keep the time and what was chosen. */
import { DashboardLinkBuilder } from "@grafana/grafana-foundation-sdk/dashboard";

const TIME = placeholder("__url_time_range");
const CHOSEN = placeholder("__all_variables");

/** To the dashboard of the device whose line or band it is. */
export function toDeviceOfSeries(): DashboardLinkBuilder {
  return toDevice("__field.labels");
}

/** To the dashboard of the device whose line of a table it is. */
export function toDeviceOfLine(): DashboardLinkBuilder {
  return toDevice("__data.fields");
}

/** To another dashboard, with all that was chosen. @param id as in `Frame` */
export function to(id: string, title: string): DashboardLinkBuilder {
  return new DashboardLinkBuilder(title).url(`/d/torpor-${id}?${CHOSEN}&${TIME}`);
}

/** The dashboard of one device has one daemon and one device chosen: those of this place, whatever was chosen here. */
function toDevice(labels: "__field.labels" | "__data.fields"): DashboardLinkBuilder {
  const source = placeholder("datasource:queryparam");
  const of = (name: string) => `var-${name}=${placeholder(`${labels}.${name}`)}`;
  return new DashboardLinkBuilder("Device").url(
    `/d/torpor-device?${source}&${of("instance")}&${of("device")}&${TIME}`,
  );
}

/** What Grafana puts a value in for. */
function placeholder(name: string): string {
  return `\${${name}}`;
}
