// The one type the schema is made of: what Grafana's own code takes a Classic dashboard to be.
import type { AnnotationQuery, Dashboard, DataQuery } from '@grafana/schema';

// Grafana's types know no data source, so the query of an annotation is said here; those of panels are open there too.
interface InfluxAnnotation extends DataQuery {
  query: string;
  rawQuery: true;
  resultFormat: 'table';
  textEditor: true;
  fromAnnotations: true;
  textColumn: string;
  tagsColumn: string;
  timeEndColumn: string;
  limit: number;
}

// How columns become a mark's beginning and end: known to @grafana/data and to dashboards that Grafana saves, not to this type.
type Mapped = { mappings?: Record<string, { source?: 'field' | 'text' | 'skip'; value?: string }> };

export type ShippedDashboard = Omit<Dashboard, 'annotations'> & {
  annotations: { list: (AnnotationQuery<InfluxAnnotation> & Mapped)[] };
};
